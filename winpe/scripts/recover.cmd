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
echo The users of %SOURCE% were not all saved to %STORE%: exit code %SAVED%. The old disk is as it was.
call :next %SAVED%
exit /b %SAVED%

:saved
coldstate verify --datastore %STORE%
set RESULT=%ERRORLEVEL%
if %RESULT% EQU 0 exit /b %SAVED%
echo What was saved in %STORE% does not read back as it was written: exit code %RESULT%. The old disk is as it was.
echo Keep that disk, and save once more to another folder or share: set STORE=..., then this script again.
exit /b %RESULT%

:next
if %1 EQU 11 echo Look at SOURCE and USERS in this script: coldstate inspect %SOURCE% lists the disks and users there are.
if %1 EQU 26 echo There is no Windows, or several: coldstate inspect auto lists them. Set SOURCE to the disk, and add
if %1 EQU 26 echo --partition or --windows-dir to USERS.
if %1 EQU 27 echo Connect to the share by net use %STORE% /user:DOMAIN\NAME, or set STORE to a folder that can be written.
if %1 EQU 34 echo Connect to the share by a name that may write there: net use %STORE% /user:DOMAIN\NAME.
if %1 EQU 37 echo The datastore is encrypted: add --password-file FILE to USERS, with the password in the first line.
if %1 EQU 72 echo Free space in %STORE%, or set STORE to another place. What is there already is not copied twice.
if %1 EQU 111 echo Unlock the disk by manage-bde -unlock D: -rp RECOVERY-PASSWORD, and set SOURCE=\\.\D:.
if %1 EQU 112 echo Load the driver of the disk by drvload, or set SOURCE to its name or to an image of it.
if %1 NEQ 2 echo Then run the script again, or type coldstate technician, which asks for everything.
exit /b
