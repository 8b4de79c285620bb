@echo off
rem An in-place refresh without Configuration Manager or MDT: saves all users, checks what was saved, has the old Windows
rem replaced by the new one, and puts the users back. For a boot image (build-bootimage --job), or typed there.
rem
rem The lines below are yours to change; each may also come from the environment. APPLY is your command that empties the volume
rem (but for STORE, if it is on it) and applies the new image; it runs only when everything was saved and read back. Exit code:
rem 0 done, 3 done but for items that are listed; anything else says what failed, and whether it was before or after APPLY.
if not defined STORE set STORE=\\server\migration
if not defined SOURCE set SOURCE=auto
if not defined USERS set USERS=--all-users
if not defined APPLY set APPLY=X:\coldstate\apply.cmd
if not defined TARGET set TARGET=C:\
if not defined COMPUTER echo Set COMPUTER to the name of the old PC: coldstate inspect %SOURCE% tells it.& exit /b 11

coldstate extract --source %SOURCE% --datastore %STORE% --computer %COMPUTER% %USERS%
set SAVED=%ERRORLEVEL%
if %SAVED% EQU 0 goto saved
if not %SAVED% EQU 3 echo Nothing was changed: saving ended with exit code %SAVED%.& exit /b %SAVED%
:saved
coldstate verify --datastore %STORE% --computer %COMPUTER%
if errorlevel 1 echo Nothing was changed: what was saved does not verify.& exit /b %ERRORLEVEL%

call %APPLY%
if errorlevel 1 echo The new Windows was not applied: exit code %ERRORLEVEL%. All users are safe in %STORE%.& exit /b %ERRORLEVEL%

coldstate inject --datastore %STORE% --computer %COMPUTER% --target %TARGET% --merge keep
set PUT_BACK=%ERRORLEVEL%
if %PUT_BACK% EQU 0 exit /b %SAVED%
if not %PUT_BACK% EQU 3 echo The users are not in the new Windows. They are safe in %STORE%.
exit /b %PUT_BACK%
