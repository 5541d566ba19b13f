// [index]
import { eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { vpc } from './drizzle/schema.ts'

const db = drizzle(process.env.DATABASE_URL!)
await db.insert(vpc).values({ cidrBlock: '10.0.0.0/16' })
await db.execute(sql`SELECT * FROM iasql_apply()`)
const [made] = await db.select().from(vpc).where(eq(vpc.isDefault, false))
// [/index]
console.log(JSON.stringify(made))
await db.$client.end()
