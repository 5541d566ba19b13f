import { defineConfig } from 'prisma/config'
import { enums, tables } from './prisma/external.json'

export default defineConfig({
  schema: 'prisma/push.prisma',
  datasource: { url: process.env.DATABASE_URL! },
  experimental: { externalTables: true },
  tables: { external: tables },
  enums: { external: enums },
})
