<#
.SYNOPSIS
    Saves all users of a Windows that is off, and reads back what was saved: recover.cmd for boot images with PowerShell.

.DESCRIPTION
    The exit code is 0 when all was saved and read back, 3 when items are listed that could not be taken, otherwise that of the verb
    that failed. Nothing on the old disk is written.

    Not yet verified on Windows: its syntax is checked, recover.cmd is the twin that is run.
#>
param(
    [string] $Datastore = '\\server\migration',
    [string] $Source = 'auto',
    [string] $Exe = (Join-Path (Split-Path $PSScriptRoot) 'x64\coldstate.exe'),
    [string[]] $Users = @('--all-users')
)

Set-StrictMode -Version 2.0

if (-not (Test-Path $Exe)) {
    Write-Warning "$Exe is missing: run this from the unpacked package, or give -Exe PATH."
    exit 11
}

& $Exe extract --source $Source --datastore $Datastore @Users
$saved = $LASTEXITCODE
if ($saved -ne 0 -and $saved -ne 3) { exit $saved }
& $Exe verify --datastore $Datastore
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
exit $saved
