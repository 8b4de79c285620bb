@echo off
rem An in-place refresh without Configuration Manager or MDT: saves all users, checks what was saved, has the old Windows
rem replaced by the new one, and puts the users back. For a boot image (build-bootimage --job), or typed there.
rem
rem The lines below are yours to change; each may also come from the environment. APPLY is your command that empties the volume
rem (but for STORE, if it is on it) and applies the new image; it runs only when everything was saved and read back. Exit code:
rem 0 done, 3 done but for items that are listed; anything else is that of the step that failed.
if not defined STORE set STORE=\\server\migration
if not defined SOURCE set SOURCE=auto
if not defined USERS set USERS=--all-users
if not defined APPLY set APPLY=%SystemDrive%\coldstate\apply.cmd
if not defined TARGET set TARGET=C:\
if not defined COMPUTER goto nameless

coldstate extract --source %SOURCE% --datastore %STORE% --computer %COMPUTER% %USERS%
set SAVED=%ERRORLEVEL%
if %SAVED% EQU 0 goto saved
if %SAVED% EQU 3 goto saved
echo The users of %COMPUTER% were not all saved to %STORE%: exit code %SAVED%. The old Windows is as it was.
echo Remove the cause that is named above, and run this script again; or restart the PC, and go on working with it.
exit /b %SAVED%

:saved
coldstate verify --datastore %STORE% --computer %COMPUTER%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 goto verified
echo What was saved in %STORE% does not read back as it was written: exit code %RESULT%. The old Windows is as it was.
echo Set STORE to another folder or share, and run this script again; or restart the PC, and go on working with it.
exit /b %RESULT%

:verified
cmd /c %APPLY%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 goto applied
echo %APPLY% did not apply the new Windows: exit code %RESULT%. All users are safe in %STORE%.
echo Apply the new Windows by hand, then type
echo   coldstate inject --datastore %STORE% --computer %COMPUTER% --target %TARGET% --merge keep
exit /b %RESULT%

:applied
coldstate inject --datastore %STORE% --computer %COMPUTER% --target %TARGET% --merge keep
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 exit /b %SAVED%
if %RESULT% EQU 3 exit /b 3
echo The users were not put back into %TARGET%: exit code %RESULT%. They are safe in %STORE%.
echo Remove the cause that is named above, then type
echo   coldstate inject --datastore %STORE% --computer %COMPUTER% --target %TARGET% --merge keep
exit /b %RESULT%

:nameless
echo This script does not know which PC this is: COMPUTER is not set. Nothing was changed.
echo Type set COMPUTER=NAME, with the name that coldstate inspect %SOURCE% tells, and run it again.
exit /b 11
