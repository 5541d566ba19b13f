// Prisma's CLI without its native engine: the WebAssembly build of the same engine talks to PostgreSQL
// through @prisma/adapter-pg, which knows no types of the system catalogs. This adapter does.
import { PrismaPg } from '@prisma/adapter-pg'

const TEXT = 25
const TEXT_ARRAY = 1009
const SINGLE_CHARACTER = 18
const CHARACTER_COLUMN = 6 // ColumnTypeEnum.Character
const READ_AS = {
  18: TEXT, // "char"
  19: TEXT, // name
  24: TEXT, // regproc
  2205: TEXT, // regclass
  2206: TEXT, // regtype
  1003: TEXT_ARRAY, // name[]
}

// The engine gives its check of what a change would destroy a minute, and its WebAssembly build leaves the
// clock running when the check is done: the command would end only then.
const MINUTE = 60_000
const { setTimeout } = globalThis
globalThis.setTimeout = (call, after, ...rest) => {
  const timer = setTimeout(call, after, ...rest)
  return after === MINUTE ? timer.unref() : timer
}

function withCatalogTypes(adapter) {
  return Object.assign(Object.create(adapter), {
    async queryRaw(query) {
      let characters = []
      const reader = Object.assign(Object.create(adapter), {
        async performIO(asked) {
          const result = await adapter.performIO(asked)
          characters = result.fields.map((field) => field.dataTypeID === SINGLE_CHARACTER)
          const fields = result.fields.map((field) => ({
            name: field.name,
            dataTypeID: READ_AS[field.dataTypeID] ?? field.dataTypeID,
          }))
          return { fields, rows: result.rows }
        },
      })
      const answer = await adapter.queryRaw.call(reader, query)
      const columnTypes = answer.columnTypes.map((type, i) => (characters[i] ? CHARACTER_COLUMN : type))
      return { ...answer, columnTypes }
    },
    // A script goes to the server as one message, as from the native engine; cut at each semicolon,
    // as the adapter would have it, it breaks in strings and function bodies.
    async executeScript(script) {
      try {
        await adapter.underlyingDriver().query(script)
      } catch (error) {
        adapter.onError(error)
      }
    },
  })
}

export class CatalogAdapter extends PrismaPg {
  constructor(url) {
    const connection = new URL(url)
    const schema = connection.searchParams.get('schema') ?? undefined
    connection.searchParams.delete('schema')
    // Without allowExitOnIdle every command would wait ten seconds for its idle connections.
    super({ connectionString: connection.href, allowExitOnIdle: true }, { schema })
  }

  async connect() {
    return withCatalogTypes(await super.connect())
  }

  async connectToShadowDb() {
    return withCatalogTypes(await super.connectToShadowDb())
  }
}
