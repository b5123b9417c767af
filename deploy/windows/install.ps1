# Installs the Hotstick agent as a service. Run it as an administrator, beside
# hotstick-agent.exe. It was never run on a real Windows; read it first.
param(
    [Parameter(Mandatory)] [string] $Server,
    [Parameter(Mandatory)] [string] $Token,
    [Parameter(Mandatory)] [string] $Ca,
    [Parameter(Mandatory)] [string] $Root
)
$ErrorActionPreference = 'Stop'
$service = 'hotstick-agent'
$directory = Join-Path $env:ProgramFiles 'Hotstick'
$program = Join-Path $directory 'hotstick-agent.exe'

if (Get-Service $service -ErrorAction SilentlyContinue) {
    Stop-Service $service
}
New-Item -ItemType Directory -Force $directory | Out-Null
Copy-Item (Join-Path $PSScriptRoot 'hotstick-agent.exe') $program -Force

# Joining again is harmless where the host has joined.
& $program join --server $Server --token $Token --ca $Ca --root $Root --once
if ($LASTEXITCODE -ne 0) { throw "cannot join: exit code $LASTEXITCODE" }

# The service knows its server from here.
$config = Join-Path $env:ProgramData 'Hotstick\agent.yaml'
if (-not (Test-Path $config)) {
    # Without the mark of a byte order, which YAML would not take.
    [IO.File]::WriteAllText($config, "server: $Server`n")
}

if (-not (Get-Service $service -ErrorAction SilentlyContinue)) {
    & sc.exe create $service binPath= "`"$program`" service" start= auto DisplayName= 'Hotstick agent'
    if ($LASTEXITCODE -ne 0) { throw "cannot make the service: exit code $LASTEXITCODE" }
    & sc.exe failure $service reset= 86400 actions= restart/5000/restart/30000/restart/60000
}
Start-Service $service
Get-Service $service
