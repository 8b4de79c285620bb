@echo off
rem Saves all users of a PC that does not start any more, and checks what was saved. For a boot image, or typed there.
rem
rem The lines below are yours to change; each may also come from the environment. Exit code: 0 all is saved, 3 saved but for
rem items that are listed, anything else is that of the step that failed. Nothing on the old disk is written.
if not defined STORE set STORE=\\server\migration
if not defined SOURCE set SOURCE=auto
if not defined USERS set USERS=--all-users

coldstate inspect %SOURCE%
coldstate extract --source %SOURCE% --datastore %STORE% %USERS%
set SAVED=%ERRORLEVEL%
if %SAVED% EQU 0 goto saved
if %SAVED% EQU 3 goto saved
echo Saving ended with exit code %SAVED%.
exit /b %SAVED%

:saved
coldstate verify --datastore %STORE%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 exit /b %SAVED%
echo What was saved does not verify: exit code %RESULT%.
exit /b %RESULT%
