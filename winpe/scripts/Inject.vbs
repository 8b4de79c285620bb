' Puts the users of the PC that M7SOURCE names into this new Windows: the script of the integration guide, for coldstate.
'
'   cscript //nologo Inject.vbs [/source:OLD-PC] [/target:W:\] [/datastore:\\server\migration] [/exe:PATH] [/more:"OPTIONS"]
'
' Without /source it takes the task sequence variable M7SOURCE, without /target the volume that the task sequence applied the new
' Windows to (OSDTargetSystemDrive). Both come from the computer object and the task sequence; outside of one, give them.
' The exit code is that of coldstate: 0 done, 3 done but for what is listed, anything else not done.
Option Explicit

Dim datastore, exe, source, target, commandLine, environment, fileSystem, shell, result
Set fileSystem = CreateObject("Scripting.FileSystemObject")
Set shell = CreateObject("WScript.Shell")

' The two lines for you to change.
datastore = Named("datastore", "\\server\migration")
exe = Named("exe", BesideThePackage("x64\coldstate.exe"))

source = Named("source", Variable("M7SOURCE"))
target = Named("target", Variable("OSDTargetSystemDrive"))
If source = "" Then Refuse "M7SOURCE is not set: give the computer this variable, or this script /source:OLD-PC."
If target = "" Then Refuse "There is no OSDTargetSystemDrive: run this after the new Windows was applied, or give /target:W:\."
If Right(target, 1) = ":" Then target = target & "\"

commandLine = Quoted(exe) & " inject --datastore " & Quoted(datastore) & " --computer " & Quoted(source) & _
    " --target " & target & " --merge keep " & Named("more", "")
If Not fileSystem.FileExists(exe) Then Refuse exe & " is missing: run this from the unpacked package, or give /exe:PATH."
WScript.Echo "Command line: " & commandLine
result = shell.Run(commandLine, 1, True)
WScript.Echo "coldstate ended with " & result
WScript.Quit result

' What was given as /name:value, else the other value.
Function Named(name, otherwise)
    Dim number, prefix
    Named = otherwise
    prefix = "/" & name & ":"
    For number = 0 To WScript.Arguments.Count - 1
        If LCase(Left(WScript.Arguments(number), Len(prefix))) = prefix Then Named = Mid(WScript.Arguments(number), Len(prefix) + 1)
    Next
End Function

' A variable of the task sequence; empty where there is no task sequence.
Function Variable(name)
    Variable = ""
    On Error Resume Next
    If IsEmpty(environment) Then Set environment = CreateObject("Microsoft.SMS.TSEnvironment")
    If Err.Number = 0 Then Variable = environment(name)
    On Error GoTo 0
End Function

' A path below the folder that the package was unpacked to: this script lies in its folder scripts.
Function BesideThePackage(path)
    BesideThePackage = fileSystem.BuildPath(fileSystem.GetParentFolderName(fileSystem.GetParentFolderName(WScript.ScriptFullName)), path)
End Function

' A program reads \" as a quote, so nothing that ends with a backslash may go through here.
Function Quoted(text)
    Quoted = """" & text & """"
End Function

Sub Refuse(sentence)
    WScript.Echo sentence
    WScript.Quit 11
End Sub
