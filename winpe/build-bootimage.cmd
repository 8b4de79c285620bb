@echo off
rem Adds coldstate to a copy of a boot image (WinPE), with DISM, on Windows. On Linux build-bootimage does the same with wimlib.
rem
rem   build-bootimage.cmd BOOT.WIM NEW.WIM [INDEX [JOB.cmd]]
rem
rem INDEX is the image in the file, 1 where it is not given; JOB.cmd is what to run after the start. For a boot image of
rem Configuration Manager give the word tool-only in place of JOB.cmd: its start stays as it is. BOOT.WIM stays as it is in any
rem case. Run as administrator, from the unpacked package. An older DISM cannot mount a newer image: set DISM to that of the ADK.
setlocal
if "%~2"=="" echo build-bootimage.cmd BOOT.WIM NEW.WIM [INDEX [JOB.cmd ^| tool-only]]& exit /b 1
if not defined DISM set DISM=dism.exe
set HERE=%~dp0
set BOOT=%~f1
set NEW=%~f2
set INDEX=%~3
set JOB=%~4
if "%INDEX%"=="" set INDEX=1
if not exist "%BOOT%" echo %BOOT% is not there.& exit /b 1
if /i "%BOOT%"=="%NEW%" echo %NEW% is the boot image itself; the original is to stay as it is.& exit /b 1
if "%JOB%"=="" goto checked
if /i "%JOB%"=="tool-only" goto checked
if not exist "%JOB%" echo %JOB% is not there.& exit /b 1
:checked

set ARCH=
%DISM% /English /Get-WimInfo "/WimFile:%BOOT%" /Index:%INDEX% > "%TEMP%\coldstate-wim.txt"
if errorlevel 1 type "%TEMP%\coldstate-wim.txt"& exit /b 1
find "Architecture : x64" "%TEMP%\coldstate-wim.txt" > nul
if not errorlevel 1 set ARCH=x64
find "Architecture : x86" "%TEMP%\coldstate-wim.txt" > nul
if not errorlevel 1 set ARCH=x86
del "%TEMP%\coldstate-wim.txt"
if "%ARCH%"=="" echo Image %INDEX% of %BOOT% is for neither x64 nor x86; there are exes for these.& exit /b 1

set MOUNT=%TEMP%\coldstate-boot
mkdir "%MOUNT%"
copy /y "%BOOT%" "%NEW%" > nul
if errorlevel 1 exit /b 1
attrib -r "%NEW%"
%DISM% /Mount-Wim "/WimFile:%NEW%" /Index:%INDEX% "/MountDir:%MOUNT%"
if errorlevel 1 goto failed
set SYSTEM32=%MOUNT%\Windows\System32
copy /y "%HERE%%ARCH%\coldstate.exe" "%SYSTEM32%\coldstate.exe" > nul
if errorlevel 1 goto discard
if not exist "%MOUNT%\coldstate\templates" mkdir "%MOUNT%\coldstate\templates"
copy /y "%HERE%templates\*.xml" "%MOUNT%\coldstate\templates" > nul
if errorlevel 1 goto discard
if /i "%JOB%"=="tool-only" goto commit
if not exist "%SYSTEM32%\startnet.cmd" goto start
find "startnet.before.cmd" "%SYSTEM32%\startnet.cmd" > nul
if not errorlevel 1 goto start
move /y "%SYSTEM32%\startnet.cmd" "%SYSTEM32%\startnet.before.cmd" > nul
if not exist "%SYSTEM32%\startnet.before.cmd" goto discard
:start
copy /y "%HERE%scripts\startnet.cmd" "%SYSTEM32%\startnet.cmd" > nul
if errorlevel 1 goto discard
if "%JOB%"=="" goto commit
copy /y "%JOB%" "%MOUNT%\coldstate\job.cmd" > nul
if errorlevel 1 goto discard
:commit
%DISM% /Unmount-Wim "/MountDir:%MOUNT%" /Commit
if errorlevel 1 goto failed
rmdir "%MOUNT%"
echo %NEW%: image %INDEX% (%ARCH%) has coldstate.
exit /b 0

:discard
%DISM% /Unmount-Wim "/MountDir:%MOUNT%" /Discard
:failed
rmdir "%MOUNT%"
del "%NEW%"
echo The image was not made.
exit /b 1
