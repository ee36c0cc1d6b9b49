// A virtual machine in Azure with the agent: the far side of the paths, behind ExpressRoute and VPN gateways.
//
//   az deployment group create --resource-group NAME --template-file systemd/azure/main.bicep --parameters ...
//
// It has no public address: peers and Prometheus reach it over the paths that are measured. Its managed identity reads
// the package from the storage account; nothing on it is a secret.
targetScope = 'resourceGroup'

@description('Name of the machine, and of the `agent` label of its series.')
param name string = 'eragent'

@description('Region; the one of the virtual network.')
param location string = resourceGroup().location

@description('Resource identifier of the subnet: one that the gateways of ExpressRoute and VPN reach.')
param subnetId string

@description('Networks on premises whose agents test against this one, for example 10.20.0.0/16.')
@minLength(1)
param peers array

@description('Networks that Prometheus asks from. Without any, /metrics stays on loopback.')
param scrapers array = []

@description('Storage account in this resource group that holds the package.')
param packageAccount string

@description('Blob of the Debian package in it, for example packages/eragent_0.1.0+python3.11_amd64.deb.')
param packageBlob string

@description('What sha256sum says of the package.')
@minLength(64)
@maxLength(64)
param packageSha256 string

@description('Size of the machine; one with accelerated networking.')
param size string = 'Standard_D2s_v5'

@description('User who may log in.')
param adminUser string = 'azureuser'

@description('That user\'s public key for SSH.')
param adminPublicKey string

// Storage Blob Data Reader, by the number that it has everywhere.
var blobReader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
var packageUrl = 'https://${packageAccount}.blob.${environment().suffixes.storage}/${packageBlob}'
var withUrl = replace(loadTextContent('../cloud-init.yaml'), '@PACKAGE_URL@', packageUrl)
var withHash = replace(withUrl, '@PACKAGE_SHA256@', packageSha256)
var withToken = replace(withHash, '@TOKEN_RESOURCE@', 'https://storage.azure.com/')
var withPeers = replace(withToken, '@PEERS@', join(peers, ', '))
var listen = empty(scrapers) ? 'listen: 127.0.0.1:9469' : 'listen: 0.0.0.0:9469'
var cloudInit = replace(withPeers, 'listen: 127.0.0.1:9469', 'agent: {name: ${name}}\n      ${listen}')

resource rules 'Microsoft.Network/networkSecurityGroups@2023-11-01' = {
  name: '${name}-rules'
  location: location
  properties: {
    securityRules: concat([
      {
        name: 'stamp'
        properties: {
          description: 'Test packets of STAMP and TWAMP-Light.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Udp'
          sourceAddressPrefixes: peers
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '862'
        }
      }
      {
        name: 'ping'
        properties: {
          description: 'ICMP echo.'
          priority: 110
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Icmp'
          sourceAddressPrefixes: peers
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
      {
        name: 'ssh'
        properties: {
          description: 'Administration, and probes of kind tcp.'
          priority: 120
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefixes: peers
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '22'
        }
      }
      {
        name: 'nothing-else'
        properties: {
          description: 'Azure would let in all of the virtual network and what is peered with it.'
          priority: 4096
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ], empty(scrapers) ? [] : [
      {
        name: 'metrics'
        properties: {
          description: 'Prometheus.'
          priority: 130
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefixes: scrapers
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '9469'
        }
      }
    ])
  }
}

resource interface 'Microsoft.Network/networkInterfaces@2023-11-01' = {
  name: '${name}-nic'
  location: location
  properties: {
    enableAcceleratedNetworking: true
    networkSecurityGroup: {
      id: rules.id
    }
    ipConfigurations: [
      {
        name: 'first'
        properties: {
          privateIPAllocationMethod: 'Dynamic'
          subnet: {
            id: subnetId
          }
        }
      }
    ]
  }
}

resource machine 'Microsoft.Compute/virtualMachines@2024-03-01' = {
  name: name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    hardwareProfile: {
      vmSize: size
    }
    storageProfile: {
      imageReference: {
        publisher: 'Debian'
        offer: 'debian-12'
        sku: '12-gen2'
        version: 'latest'
      }
      osDisk: {
        createOption: 'FromImage'
        managedDisk: {
          storageAccountType: 'StandardSSD_LRS'
        }
      }
    }
    osProfile: {
      computerName: name
      adminUsername: adminUser
      customData: base64(cloudInit)
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: {
          publicKeys: [
            {
              path: '/home/${adminUser}/.ssh/authorized_keys'
              keyData: adminPublicKey
            }
          ]
        }
      }
    }
    securityProfile: {
      securityType: 'TrustedLaunch'
      uefiSettings: {
        secureBootEnabled: true
        vTpmEnabled: true
      }
    }
    networkProfile: {
      networkInterfaces: [
        {
          id: interface.id
        }
      ]
    }
  }
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: packageAccount
}

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, machine.id, blobReader)
  scope: account
  properties: {
    principalId: machine.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: blobReader
  }
}

output address string = interface.properties.ipConfigurations[0].properties.privateIPAddress
output identity string = machine.identity.principalId
