#!/usr/bin/env node
// Stands in for the program `schema-engine` that Prisma 7's CLI downloads and talks to in JSON-RPC,
// a line each way. The work is done by the same engine as WebAssembly, which npm has.
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg'
import { CatalogAdapter } from './catalog-adapter.mjs'

const ENGINE = new URL('node_modules/@prisma/schema-engine-wasm/', `file://${process.cwd()}/`)
const words = process.argv.slice(2)
const valuesOf = (option) => words.filter((_, at) => words[at - 1] === option)
const send = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }))
const complain = (message, fields) =>
  console.error(JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields: { message, ...fields } }))

async function loadEngine(factory) {
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (text) => complain(text, { is_panic: true }) }
  const code = await WebAssembly.compile(await readFile(new URL('schema_engine_bg.wasm', ENGINE)))
  const { exports } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(exports)
  exports.__wbindgen_start()
  const files = valuesOf('--datamodels')
  const datamodels = await Promise.all(files.map(async (file) => [file, await readFile(file, 'utf8')]))
  return glue.SchemaEngine.new({ datamodels: datamodels.length ? datamodels : undefined }, () => {}, factory)
}

/** What the adapter threw, where the engine knows only its number. */
function told(error, factory) {
  const number = error.message.match(/External error id#(\d+)/)?.[1]
  const cause = number && factory.errorRegistry.consumeError(Number(number))?.error
  return cause?.message ?? error.message
}

async function answer(engine, method, params) {
  if (method === 'getDatabaseVersion') return engine.version(params)
  const result = await engine[method](params)
  if (method === 'diff' && result?.stdout) send({ id: 0, method: 'print', params: { content: result.stdout } })
  return result
}

async function serve(url) {
  const factory = bindMigrationAwareSqlAdapterFactory(new CatalogAdapter(url))
  let engine
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue
    const { id, method, params } = JSON.parse(line)
    try {
      engine ??= await loadEngine(factory)
      send({ id, result: (await answer(engine, method, params)) ?? {} })
    } catch (error) {
      const message = told(error, factory)
      const data = { is_panic: false, message, error_code: error.code ?? null, meta: error.meta ?? null }
      send({ id, error: { code: 4466, message, data } })
    }
  }
}

async function canConnect(url) {
  try {
    await (await new CatalogAdapter(url).connect()).executeScript('SELECT 1')
    return 0
  } catch (error) {
    complain(error.message, { error_code: 'P1001' })
    return 1
  }
}

if (words.includes('--version')) {
  const { version } = JSON.parse(await readFile(new URL('package.json', ENGINE), 'utf8'))
  console.log(`schema-engine-cli ${version.split('.').at(-1)}`)
} else {
  const url = JSON.parse(valuesOf('--datasource')[0] ?? '{}').url ?? process.env.DATABASE_URL
  process.exitCode = words.includes('cli') ? await canConnect(url) : await serve(url)
}
