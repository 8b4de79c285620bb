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
echo Saving ended with exit code %SAVED%. Nothing was changed.
exit /b %SAVED%

:saved
coldstate verify --datastore %STORE% --computer %COMPUTER%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 goto verified
echo What was saved does not verify: exit code %RESULT%. Nothing was changed.
exit /b %RESULT%

:verified
cmd /c %APPLY%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 goto applied
echo The new Windows was not applied: exit code %RESULT%. All users are safe in %STORE%.
exit /b %RESULT%

:applied
coldstate inject --datastore %STORE% --computer %COMPUTER% --target %TARGET% --merge keep
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 exit /b %SAVED%
if %RESULT% EQU 3 exit /b 3
echo Putting the users back ended with exit code %RESULT%. They are safe in %STORE%.
exit /b %RESULT%

:nameless
echo Set COMPUTER to the name of the old PC; coldstate inspect %SOURCE% tells it.
exit /b 11
