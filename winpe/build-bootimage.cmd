@echo off
rem Adds coldstate to a copy of a boot image (WinPE), with DISM, on Windows. On Linux build-bootimage does the same with wimlib.
rem
rem   build-bootimage.cmd BOOT.WIM NEW.WIM [INDEX [JOB.cmd]]
rem
rem INDEX is the image in the file, 1 where it is not given; JOB.cmd is what to run after the start. For a boot image of
rem Configuration Manager give the word tool-only in place of JOB.cmd: its start stays as it is. BOOT.WIM stays as it is in any
rem case. Run as administrator, from the unpacked package. An older DISM cannot mount a newer image: set DISM to that of the ADK.
rem Exit codes are those of coldstate: 11 for arguments, 34 without an administrator's rights, 36 for a foreign image, 71 for DISM,
rem 72 where NEW.WIM or the folder for it cannot be written.
setlocal
if "%~2"=="" echo Give both names: build-bootimage.cmd BOOT.WIM NEW.WIM [INDEX [JOB.cmd ^| tool-only]]& exit /b 11
if not defined DISM set DISM=dism.exe
set HERE=%~dp0
set BOOT=%~f1
set NEW=%~f2
set INDEX=%~3
set JOB=%~4
if "%INDEX%"=="" set INDEX=1
if not exist "%BOOT%" echo There is no boot image %BOOT%: check the path of BOOT.WIM.& exit /b 11
if /i "%BOOT%"=="%NEW%" echo %NEW% is the boot image itself, which is to stay as it is: give NEW.WIM another name.& exit /b 11
if "%JOB%"=="" goto checked
if /i "%JOB%"=="tool-only" goto checked
if not exist "%JOB%" echo There is no job %JOB%: give a .cmd file, such as scripts\recover.cmd, or tool-only.& exit /b 11
:checked

set ARCH=
%DISM% /English /Get-WimInfo "/WimFile:%BOOT%" /Index:%INDEX% > "%TEMP%\coldstate-wim.txt"
set RESULT=%ERRORLEVEL%
if %RESULT% NEQ 0 goto unread
find "Architecture : x64" "%TEMP%\coldstate-wim.txt" > nul
if not errorlevel 1 set ARCH=x64
find "Architecture : x86" "%TEMP%\coldstate-wim.txt" > nul
if not errorlevel 1 set ARCH=x86
del "%TEMP%\coldstate-wim.txt"
if "%ARCH%"=="" echo Image %INDEX% of %BOOT% is for neither x64 nor x86, for which there are exes: choose another.& exit /b 36

set MOUNT=%TEMP%\coldstate-boot
if exist "%MOUNT%" goto left
mkdir "%MOUNT%"
if errorlevel 1 echo The folder %MOUNT% cannot be made: set TEMP to a folder that can be written.& exit /b 72
copy /y "%BOOT%" "%NEW%" > nul
if errorlevel 1 goto full
attrib -r "%NEW%"
set STEP=mounted in %MOUNT%
%DISM% /Mount-Wim "/WimFile:%NEW%" /Index:%INDEX% "/MountDir:%MOUNT%"
set RESULT=%ERRORLEVEL%
if %RESULT% NEQ 0 goto failed
set SYSTEM32=%MOUNT%\Windows\System32
set FILE=%HERE%%ARCH%\coldstate.exe
copy /y "%HERE%%ARCH%\coldstate.exe" "%SYSTEM32%\coldstate.exe" > nul
if errorlevel 1 goto discard
set FILE=%HERE%templates
if not exist "%MOUNT%\coldstate\templates" mkdir "%MOUNT%\coldstate\templates"
copy /y "%HERE%templates\*.xml" "%MOUNT%\coldstate\templates" > nul
if errorlevel 1 goto discard
if /i "%JOB%"=="tool-only" goto commit
set FILE=%SYSTEM32%\startnet.cmd
if not exist "%SYSTEM32%\startnet.cmd" goto start
find "startnet.before.cmd" "%SYSTEM32%\startnet.cmd" > nul
if not errorlevel 1 goto start
move /y "%SYSTEM32%\startnet.cmd" "%SYSTEM32%\startnet.before.cmd" > nul
if not exist "%SYSTEM32%\startnet.before.cmd" goto discard
:start
set FILE=%HERE%scripts\startnet.cmd
copy /y "%HERE%scripts\startnet.cmd" "%SYSTEM32%\startnet.cmd" > nul
if errorlevel 1 goto discard
if "%JOB%"=="" goto commit
set FILE=%JOB%
copy /y "%JOB%" "%MOUNT%\coldstate\job.cmd" > nul
if errorlevel 1 goto discard
:commit
set STEP=written back from %MOUNT%
%DISM% /Unmount-Wim "/MountDir:%MOUNT%" /Commit
set RESULT=%ERRORLEVEL%
if %RESULT% NEQ 0 goto undone
rmdir "%MOUNT%"
echo %NEW%: image %INDEX% (%ARCH%) has coldstate.
exit /b 0

:discard
%DISM% /Unmount-Wim "/MountDir:%MOUNT%" /Discard
rmdir "%MOUNT%"
del "%NEW%"
echo %FILE% could not be copied into image %INDEX%, and %NEW% was not made. Unpack the whole package on a disk with
echo room, and run this script there.
exit /b 72

:undone
%DISM% /Unmount-Wim "/MountDir:%MOUNT%" /Discard
:failed
rmdir "%MOUNT%"
del "%NEW%"
echo Image %INDEX% of %NEW% could not be %STEP%, and the file was not made: DISM ended with exit code %RESULT%.
goto dism

:unread
type "%TEMP%\coldstate-wim.txt"
del "%TEMP%\coldstate-wim.txt"
echo Image %INDEX% of %BOOT% cannot be read: DISM ended with exit code %RESULT%.
:dism
if %RESULT% EQU 740 echo Open a command prompt by "Run as administrator", and run it again there.
if %RESULT% EQU 740 exit /b 34
echo Look at what the file has, by %DISM% /Get-WimInfo "/WimFile:%BOOT%"; for a newer image set DISM to the dism.exe of its ADK.
exit /b 71

:left
echo %MOUNT% is there from a run that was interrupted: %DISM% /Cleanup-Wim, remove that folder, and run it again.
exit /b 72

:full
rmdir "%MOUNT%"
if exist "%NEW%" del "%NEW%"
echo %BOOT% could not be copied to %NEW%: free space there, or give a place that can be written.
exit /b 72
