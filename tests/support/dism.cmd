@echo off
rem Stands in for DISM in tests/wine-package: mounts the folder DISM_IMAGE, and keeps what was committed in DISM_RESULT.
rem The words are those of build-bootimage.cmd, in its order: a change of them there has to be made here too.
if "%1"=="/English" goto about
if "%1"=="/Mount-Wim" goto mount
if "%1"=="/Unmount-Wim" goto unmount
exit /b 87
:about
if not "%2"=="/Get-WimInfo" exit /b 87
echo Architecture : x64
exit /b 0
:mount
set MOUNTED=%~4
set MOUNTED=%MOUNTED:/MountDir:=%
xcopy /e /i /q /y "%DISM_IMAGE%" "%MOUNTED%" > nul
exit /b %ERRORLEVEL%
:unmount
if not "%3"=="/Commit" exit /b 87
xcopy /e /i /q /y "%MOUNTED%" "%DISM_RESULT%" > nul
rmdir /s /q "%MOUNTED%"
mkdir "%MOUNTED%"
exit /b 0
