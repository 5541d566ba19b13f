import { defineConfig } from 'prisma/config'
import { CatalogAdapter } from './catalog-adapter.mjs'
import { enums, tables } from './prisma/external.json'

export default defineConfig({
  schema: 'prisma/push.prisma',
  experimental: { adapter: true, externalTables: true },
  engine: 'js',
  adapter: async () => new CatalogAdapter(process.env.DATABASE_URL),
  tables: { external: tables },
  enums: { external: enums },
})
