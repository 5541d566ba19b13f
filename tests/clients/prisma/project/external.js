// Lists the tables and enums of the modules for Prisma's configuration: they are iasql's, not Prisma's.
const { writeFileSync } = require('node:fs')
const prisma = require('./client')

async function main() {
  // [listing]
  const [external] = await prisma.$queryRaw`
    WITH ours AS (
      SELECT DISTINCT t.tgrelid AS oid
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
      WHERE p.pronamespace = 'iasql'::regnamespace
    )
    SELECT ARRAY(
             SELECT format('%s.%s', c.relnamespace::regnamespace, c.relname)
             FROM ours JOIN pg_class c USING (oid) ORDER BY 1
           ) AS tables,
           ARRAY(
             SELECT DISTINCT format('%s.%s', e.typnamespace::regnamespace, e.typname)
             FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid JOIN pg_type e ON e.oid = a.atttypid
             WHERE e.typtype = 'e' ORDER BY 1
           ) AS enums`
  writeFileSync('prisma/external.json', JSON.stringify(external, null, 2))
  // [/listing]
}

main().finally(() => prisma.$disconnect())
