#Requires -Version 3.0
<#
.SYNOPSIS
    Creates the task sequences of coldstate in Configuration Manager, current branch: refresh, replacement (old and new PC), recovery.

.DESCRIPTION
    The same steps and command lines as in configmgr2007\*.xml, made with the supported cmdlets. Nothing that exists is changed: a
    sequence whose name is taken is not made. Steps that hold what only you know (domain, product key, partitions, network account)
    are made as far as can be and left for the editor; the script says which. Run it on a PC with the console, in the site's drive.

    Not yet verified on Windows: no Configuration Manager has run it. Its syntax and the parameters of every cmdlet are checked.

.PARAMETER Kind
    Which sequences to make. Without it, all four.

.PARAMETER Package
    ID of the package of coldstate: the unpacked coldstate.zip.

.PARAMETER BootImage
    ID of the boot image.

.PARAMETER Image
    Name of the image of the new Windows. Refresh and ReplaceNewPC need it.

.PARAMETER Client
    ID of the package of the Configuration Manager client. Refresh and ReplaceNewPC need it.

.PARAMETER Datastore
    The share that all PCs save to. A refresh keeps the users on the PC and does without.

.PARAMETER Exe
    The exe for the architecture of the boot image, in the package.

.EXAMPLE
    .\New-ColdstateTaskSequence.ps1 -Package PS100042 -BootImage PS100005 -Image 'Windows 11' -Client PS100002 -Datastore \\server\migration
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [ValidateSet('Refresh', 'ReplaceOldPC', 'ReplaceNewPC', 'Recovery')]
    [string[]] $Kind = @('Refresh', 'ReplaceOldPC', 'ReplaceNewPC', 'Recovery'),

    [Parameter(Mandatory = $true)]
    [string] $Package,

    [Parameter(Mandatory = $true)]
    [string] $BootImage,

    [string] $Image,

    [string] $Client,

    [string] $Datastore = '\\server\migration',

    [string] $Exe = 'x64\coldstate.exe'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# A step that runs coldstate out of its package. 3 is done, with items listed that could not be taken or put back.
function New-ColdstateStep([string] $Name, [string] $Arguments, [int[]] $SuccessCode = @(0, 3), [switch] $Disable) {
    New-CMTSStepRunCommandLine -Name $Name -PackageId $Package -CommandLine "%ColdstateExe% $Arguments" -SuccessCode $SuccessCode -Disable:$Disable
}

function New-SaveStep([string] $Store) {
    New-ColdstateStep -Name 'Save all users' -Arguments ('extract --source auto --datastore "' + $Store + '" --all-users --log "%_SMSTSLogPath%\coldstate-extract.log"')
}

function New-VerifyStep([string] $Store) {
    New-ColdstateStep -Name 'Verify what was saved' -SuccessCode @(0) -Arguments ('verify --datastore "' + $Store + '" --computer "%ColdstateSource%" --log "%_SMSTSLogPath%\coldstate-verify.log"')
}

function New-PutBackStep([string] $Store, [string] $Computer) {
    New-ColdstateStep -Name 'Put the users back' -Arguments ('inject --datastore "' + $Store + '" --computer "' + $Computer + '" --target %OSDTargetSystemDrive%\ --merge keep --log "%_SMSTSLogPath%\coldstate-inject.log"')
}

# What waits for the running Windows; enable it where PCs have local users.
function New-LocalUsersGroup([string] $Store, [string] $Computer) {
    $step = New-ColdstateStep -Name 'Put local users back' -Disable -Arguments ('inject --datastore "' + $Store + '" --computer "' + $Computer + '" --live --create-accounts --merge keep --log "%_SMSTSLogPath%\coldstate-inject.log"')
    New-CMTaskSequenceGroup -Name 'In the new Windows' -Step $step -Condition (New-WinPECondition -Value 'false')
}

function New-WinPECondition([string] $Value) {
    New-CMTSStepConditionVariable -ConditionVariableName '_SMSTSInWinPE' -ConditionVariableValue $Value -OperatorType Equals
}

# What every sequence begins with; which of it, the parameters say.
function New-BeginGroup([switch] $Store) {
    $steps = @(New-CMTSStepSetVariable -Name 'Choose the exe' -TaskSequenceVariable 'ColdstateExe' -TaskSequenceVariableValue $Exe)
    if ($Store) {
        $steps += New-CMTSStepSetVariable -Name 'Choose the datastore' -TaskSequenceVariable 'ColdstateStore' -TaskSequenceVariableValue $Datastore
    }
    New-CMTaskSequenceGroup -Name 'Begin' -Step $steps
}

function New-OldWindowsGroup {
    $suspend = New-CMTSStepDisableBitLocker -Name 'Suspend BitLocker' -ContinueOnError
    $restart = New-CMTSStepReboot -Name 'Restart in the boot image' -RunAfterRestart WinPE -MessageTimeout 60 -NotificationMessage 'The files of all users of this PC are being saved. Please do not switch it off.'
    New-CMTaskSequenceGroup -Name 'In the old Windows' -Step @($suspend, $restart) -Condition (New-WinPECondition -Value 'false')
}

function New-ConnectStep {
    New-CMTSStepConnectNetworkFolder -Name 'Connect to the datastore' -Path '%ColdstateStore%' -UserName 'CONTOSO\svc-migrate'
}

function New-SaveGroup([string] $Store, [object[]] $First = @()) {
    $steps = @($First) + @((New-SaveStep -Store $Store), (New-VerifyStep -Store $Store))
    New-CMTaskSequenceGroup -Name 'Save the users' -Step $steps -Condition (New-WinPECondition -Value 'true')
}

function New-NewWindowsGroup([string] $Store, [string] $Computer, [object[]] $BeforePutBack = @()) {
    if (-not $Image -or -not $Client) {
        throw 'Refresh and ReplaceNewPC install a Windows: give -Image and -Client.'
    }
    $imagePackage = Get-CMOperatingSystemImage -Name $Image
    $steps = @(
        (New-CMTSStepApplyOperatingSystem -Name 'Apply the new Windows' -ImagePackage $imagePackage -ImagePackageIndex 1 -Destination NextAvailableFormattedPartition),
        (New-CMTSStepApplyWindowsSetting -Name 'Apply Windows settings' -UserName 'Contoso' -OrganizationName 'Contoso'),
        (New-CMTSStepApplyNetworkSetting -Name 'Apply network settings' -WorkgroupName 'WORKGROUP'),
        (New-CMTSStepAutoApplyDriver -Name 'Apply drivers')
    )
    $steps += @($BeforePutBack)
    $steps += New-PutBackStep -Store $Store -Computer $Computer
    $steps += New-CMTSStepSetupWindowsAndConfigMgr -Name 'Set up Windows and the client' -PackageId $Client
    New-CMTaskSequenceGroup -Name 'New Windows' -Step $steps -Condition (New-WinPECondition -Value 'true')
}

$onThePC = '%_SMSTSUserStatePath%'
$onTheShare = '%ColdstateStore%'
foreach ($each in $Kind) {
    switch ($each) {
        'Refresh' {
            $name = 'coldstate: refresh'
            $groups = @((New-BeginGroup), (New-OldWindowsGroup), (New-SaveGroup -Store $onThePC), (New-NewWindowsGroup -Store $onThePC -Computer '%ColdstateSource%'), (New-LocalUsersGroup -Store $onThePC -Computer '%ColdstateSource%'))
        }
        'ReplaceOldPC' {
            $name = 'coldstate: replacement, old PC'
            $groups = @((New-BeginGroup -Store), (New-OldWindowsGroup), (New-SaveGroup -Store $onTheShare -First @(New-ConnectStep)))
        }
        'ReplaceNewPC' {
            $name = 'coldstate: replacement, new PC'
            $groups = @((New-BeginGroup -Store), (New-NewWindowsGroup -Store $onTheShare -Computer '%M7SOURCE%' -BeforePutBack @(New-ConnectStep)), (New-LocalUsersGroup -Store $onTheShare -Computer '%M7SOURCE%'))
        }
        'Recovery' {
            $name = 'coldstate: recovery'
            $groups = @((New-BeginGroup -Store), (New-SaveGroup -Store $onTheShare -First @(New-ConnectStep)))
        }
    }
    if (Get-CMTaskSequence -Name $name -Fast) {
        Write-Warning "$name exists already and stays as it is."
        continue
    }
    if ($PSCmdlet.ShouldProcess($name, 'Create the task sequence')) {
        $sequence = New-CMTaskSequence -CustomTaskSequence -Name $name -BootImagePackageId $BootImage
        Add-CMTaskSequenceStep -InputObject $sequence -Step $groups
        Write-Output "$name is made."
    }
}
Write-Output 'In the editor remain: the domain to join, time zone and organization, the partitions of new PCs, and the account that connects to the datastore.'
