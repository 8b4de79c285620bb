@echo off
rem The start of a boot image with coldstate in it; build-bootimage puts it there.
rem
rem First what the image did before: its own start, kept as startnet.before.cmd, else wpeinit, which loads drivers and the
rem network. Then the job that was put in (\coldstate\job.cmd), else a few lines on what can be typed. Writes nothing.
if exist "%SystemRoot%\System32\startnet.before.cmd" goto before
wpeinit
goto started
:before
call "%SystemRoot%\System32\startnet.before.cmd"
:started
if exist "%SystemDrive%\coldstate\job.cmd" goto job
echo.
coldstate --version
echo.
echo   coldstate technician                                              asks for everything, and shows what it does
echo   coldstate inspect auto                                            what Windows and whose profiles are on this PC
echo   net use \\server\migration                                        the share to save to
echo   coldstate extract --source auto --datastore \\server\migration --all-users
echo   coldstate verify --datastore \\server\migration
echo   coldstate help                                                    everything else
echo.
goto :eof
:job
cmd /c "%SystemDrive%\coldstate\job.cmd"
set RESULT=%ERRORLEVEL%
echo.
if %RESULT% EQU 0 goto done
if %RESULT% EQU 3 goto done
echo The job %SystemDrive%\coldstate\job.cmd failed with exit code %RESULT%, which coldstate help explains.
echo Its last lines say what to do. Type the job's name to run it again, or coldstate technician to be asked for everything.
goto :eof
:done
echo The job ended with exit code %RESULT%. With 3, the items that it left out are listed above.
