@echo off
rem Saves all users of a PC that does not start any more, and checks what was saved. For a boot image, or typed there.
rem
rem The three lines below are yours to change; each may also come from the environment. Exit code: 0 all is saved, 3 saved but
rem for items that are listed, anything else: not saved (winpe\README.md, "Exit codes"). Nothing on the old disk is written.
if not defined STORE set STORE=\\server\migration
if not defined SOURCE set SOURCE=auto
if not defined USERS set USERS=--all-users

coldstate inspect %SOURCE%
coldstate extract --source %SOURCE% --datastore %STORE% %USERS%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 goto saved
if not %RESULT% EQU 3 exit /b %RESULT%
:saved
coldstate verify --datastore %STORE%
if errorlevel 1 exit /b %ERRORLEVEL%
exit /b %RESULT%
