<#
.SYNOPSIS
    Puts the users of the PC that M7SOURCE names into a new Windows: what Inject.vbs does, for boot images with PowerShell.

.DESCRIPTION
    Without -Source it takes the task sequence variable M7SOURCE, without -Target the volume that the task sequence applied the
    new Windows to. The exit code is that of coldstate: 0 done, 3 done but for what is listed, anything else not done.

    Not yet verified on Windows: its syntax is checked, Inject.vbs is the twin that is run.
#>
param(
    [string] $Datastore = '\\server\migration',
    [string] $Source,
    [string] $Target,
    [string] $Exe = (Join-Path (Split-Path $PSScriptRoot) 'x64\coldstate.exe'),
    [string[]] $More = @()
)

Set-StrictMode -Version 2.0

if (-not (Test-Path $Exe)) {
    Write-Warning "$Exe is missing: run this from the unpacked package, or give -Exe PATH."
    exit 11
}

$environment = $null
try {
    $environment = New-Object -ComObject Microsoft.SMS.TSEnvironment
} catch {
    Write-Verbose 'This is no task sequence.'
}
if ($environment) {
    if (-not $Source) { $Source = $environment.Value('M7SOURCE') }
    if (-not $Target) { $Target = $environment.Value('OSDTargetSystemDrive') }
}
if (-not $Source) {
    Write-Warning 'M7SOURCE is not set: give the computer this variable, or this script -Source OLD-PC.'
    exit 11
}
if (-not $Target) {
    Write-Warning 'There is no OSDTargetSystemDrive: run this after the new Windows was applied, or give -Target W:\.'
    exit 11
}
if ($Target.EndsWith(':')) { $Target += '\' }

& $Exe inject --datastore $Datastore --computer $Source --target $Target --merge keep @More
exit $LASTEXITCODE
