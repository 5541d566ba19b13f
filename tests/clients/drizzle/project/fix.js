// [fix]
// What `drizzle-kit pull` writes of iasql's tables needs two corrections before it runs: defaults that
// are functions stand there as bare code, and a domain over text as an unknown type.
import { readFileSync, writeFileSync } from 'node:fs'

const file = 'drizzle/schema.ts'
const fixed = readFileSync(file, 'utf8')
  .replaceAll('.default(default_aws_region())', '.default(sql`default_aws_region()`)')
  .replace(/(failed to parse database type 'address_range'\n.*)unknown\(/g, '$1text(')
writeFileSync(file, fixed)
// [/fix]
