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

# Makes the service, which the manager starts again after a failure; harmless if there is one.
& $program install
if ($LASTEXITCODE -ne 0) { throw "cannot make the service: exit code $LASTEXITCODE" }
Start-Service $service
Get-Service $service
