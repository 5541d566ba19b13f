// What the tests need: `engine: 'js'` runs Prisma's engine as WebAssembly, so nothing is downloaded.
import { defineConfig } from 'prisma/config'
import { CatalogAdapter } from './catalog-adapter.mjs'

export default defineConfig({
  schema: 'prisma/schema.prisma',
  experimental: { adapter: true },
  engine: 'js',
  adapter: async () => new CatalogAdapter(process.env.DATABASE_URL),
})
