// Compiles the devnet contracts with the npm package solc (standard JSON) into one JSON file per contract,
// and the lifecycle artifacts that asset import deploys from.
//
//   node deploy/devnet/compile.mjs [--out DIR] [--node-modules DIR] [--force]
//
// Does nothing if every output is newer than every input. Prints the compiler's warnings; on its errors
// prints them, writes nothing and exits with 1.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, '..', '..')
const sourceDir = join(here, 'contracts')
// By the lifecycle contract that each deploys.
const LIFECYCLE_ARTIFACTS = {
  LifeCycleCashFlow: 'lifecycle_artifact',
  LifeCycleCashFlowVersion8: 'lifecycle_artifact_version_8',
}

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, '.build', 'contracts') },
    'node-modules': { type: 'string', default: join(root, 'node_modules') },
    force: { type: 'boolean', default: false },
  },
})
const outDir = resolve(options.out)
const solcDir = join(resolve(options['node-modules']), 'solc')
const manifestPath = join(outDir, 'manifest.json')

const sourceNames = readdirSync(sourceDir).filter((name) => name.endsWith('.sol')).sort()
const inputPaths = [
  fileURLToPath(import.meta.url),
  join(solcDir, 'package.json'),
  ...sourceNames.map((name) => join(sourceDir, name)),
]

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function modified(path) {
  return statSync(path).mtimeMs
}

/** The manifest names inputs and outputs: a file added, removed or renamed counts as a change, too. */
function upToDate() {
  try {
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
    if (manifest.sources.join() !== sourceNames.join()) return false
    const oldest = Math.min(...manifest.outputs.map((name) => modified(join(outDir, name))))
    return inputPaths.every((path) => modified(path) < oldest)
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError || error instanceof TypeError) return false
    throw error
  }
}

/** Written beside its place and moved there, so that nobody ever reads half a file. */
function writeJson(path, value) {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(value, null, 1)}\n`)
  renameSync(temporary, path)
}

function compile() {
  const solc = createRequire(join(solcDir, 'package.json'))(solcDir)
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(
      sourceNames.map((name) => [name, { content: readFileSync(join(sourceDir, name), 'utf8') }]),
    ),
    settings: {
      evmVersion: 'cancun',
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: 'none' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
    },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  const messages = output.errors ?? []
  for (const { formattedMessage } of messages) process.stderr.write(`${formattedMessage}\n`)
  if (messages.some(({ severity }) => severity === 'error')) fail('The devnet contracts do not compile.')

  const contracts = new Map()
  for (const inFile of Object.values(output.contracts)) {
    for (const [contractName, { abi, evm }] of Object.entries(inFile)) {
      if (evm.bytecode.object === '') continue // an interface or an abstract contract
      contracts.set(contractName, {
        contractName,
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
      })
    }
  }
  return contracts
}

/** In order of creation. Arguments are literals or ${...}: operator, initialize_call, or an earlier name. */
function lifecycleArtifact(contracts, lifecycleContract) {
  const creation = (name, contractName, constructorArguments) => {
    const contract = contracts.get(contractName) ?? fail(`There is no contract ${contractName}.`)
    const { abi, bytecode } = contract
    return { name, abi, bytecode, constructor_arguments: constructorArguments }
  }
  return {
    name: `devnet-${lifecycleContract}`,
    devnet_only: true,
    creations: [
      creation('implementation', lifecycleContract, []),
      creation('proxy_admin', 'ProxyAdmin', ['${operator}']),
      creation('proxy', 'TransparentUpgradeableProxy', [
        '${implementation}',
        '${proxy_admin}',
        '${initialize_call}',
      ]),
    ],
    contract: 'proxy',
    interface_abi: contracts.get(lifecycleContract).abi,
  }
}

if (!options.force && upToDate()) process.exit(0)

const contracts = compile()
mkdirSync(outDir, { recursive: true })
rmSync(manifestPath, { force: true })
const outputs = []
const artifacts = Object.entries(LIFECYCLE_ARTIFACTS).map(([contract, name]) => [
  name,
  lifecycleArtifact(contracts, contract),
])
for (const [name, value] of [...contracts, ...artifacts]) {
  writeJson(join(outDir, `${name}.json`), value)
  outputs.push(`${name}.json`)
}
writeJson(manifestPath, { sources: sourceNames, outputs })
process.stdout.write(`Compiled ${contracts.size} contracts into ${outDir}\n`)
