//! Migrates forth (`quickstart`) or back (`quickstart revert`), and describes, applies and reads resources.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgPool;
use sqlx::types::Json;
use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&env::var("DATABASE_URL")?).await?;
    // [migrate]
    // The same as sqlx::migrate!(), which builds the files into the program.
    let migrations = Migrator::new(Path::new("migrations")).await?;
    migrations.run(&pool).await?;
    // [/migrate]
    match env::args().nth(1).as_deref() {
        Some("revert") => migrations.undo(&pool, 0).await?,
        _ => deploy(&pool).await?,
    }
    Ok(())
}

// [deploy]
async fn deploy(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    // An enum takes a text only by a cast; a range of addresses is a text.
    sqlx::query(
        "INSERT INTO repository (repository_name, image_tag_mutability, tags)
         VALUES ($1, $2::repository_image_tag_mutability_enum, $3)",
    )
    .bind("web")
    .bind("IMMUTABLE")
    .bind(Json(HashMap::from([("team", "web")])))
    .execute(&mut *transaction)
    .await?;
    sqlx::query("INSERT INTO vpc (cidr_block) VALUES ($1)")
        .bind("10.0.0.0/16")
        .execute(&mut *transaction)
        .await?;
    let plan: Vec<(String, String, Option<i32>, Option<String>)> =
        sqlx::query_as("SELECT action, table_name, id, description FROM iasql_plan_apply()")
            .fetch_all(&mut *transaction)
            .await?;
    for (action, table, _, description) in plan {
        println!("plan: {action} {table} {}", description.unwrap_or_default());
    }
    sqlx::query("SELECT * FROM iasql_apply()").execute(&mut *transaction).await?;
    transaction.commit().await?;

    let (uri, mutability): (Option<String>, String) = sqlx::query_as(
        "SELECT repository_uri, image_tag_mutability::text FROM repository WHERE repository_name = $1",
    )
    .bind("web")
    .fetch_one(pool)
    .await?;
    println!("repository: {} {mutability}", uri.unwrap_or_default());
    Ok(())
}
// [/deploy]
