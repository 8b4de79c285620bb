/* Runs a command line without a console and without standard handles, as a task sequence may, and ends with its exit code. */

#include <windows.h>

int wmain(int count, wchar_t **words)
{
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = 255;
    if (count != 2 || !CreateProcessW(NULL, words[1], NULL, NULL, FALSE, DETACHED_PROCESS, NULL, NULL, &start, &process))
        return 255;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return (int)code;
}
