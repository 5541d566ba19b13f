//! A few tables with every trait that a table can have, named after what they resemble.

use iasql_engine::table::{
    Access, Birth, By, Check, Column, Kind, Mention, Reference, Scope, Table,
};
use iasql_engine::{Row, Value};

const COLUMN: Column = Column {
    name: "",
    sql: "text",
    kind: Kind::Plain,
    access: Access::Settable,
    key: false,
    id: false,
    created: false,
    late: false,
    open: false,
    becomes: None,
    request: false,
    waiver: false,
    some: false,
    required: false,
    default: None,
    labels: &[],
    references: None,
    mentions: None,
    doc: "A column.",
};

const TABLE: Table = Table {
    module: "aws_test",
    name: "",
    doc: "A table.",
    scope: Scope::Regional,
    columns: &[],
    primary_key: None,
    checks: &[],
    births: &[],
    exclusive: false,
    create_first: false,
    read_back: false,
    import_only: false,
    revises: false,
    owner: None,
};

const KEY: Column = Column { key: true, required: true, ..COLUMN };
const ID: Column = Column { id: true, access: Access::ReadOnly, ..COLUMN };
const OWNED: Column = Column { access: Access::ReadOnly, ..COLUMN };
const NOTE: Column = Column { name: "note", ..COLUMN };
const TAGS: Column =
    Column { name: "tags", sql: "jsonb", kind: Kind::Tags, default: Some("'{}'"), ..COLUMN };
const RANGE: Column = Column { name: "range", sql: "address_range", kind: Kind::Range, ..COLUMN };

const fn to(table: &'static str, column: &'static str, by: By) -> Reference {
    Reference { table, column, by, when_null: None, cascade: false, loose: false, enables: false }
}

/// Like a VPC: no key but its id, and a group that comes and goes with it.
pub static NET: Table = Table {
    name: "net",
    columns: &[
        Column { name: "net_id", ..ID },
        Column { access: Access::Fixed, required: true, ..RANGE },
        Column { name: "is_default", sql: "boolean", default: Some("false"), ..OWNED },
        NOTE,
        TAGS,
    ],
    births: &[Birth {
        table: "grp",
        parent: "net_id",
        cells: &[("name", "\"default\"")],
        kept: true,
    }],
    ..TABLE
};

/// Like a security group: NULL stands for the default net, and a rule comes with it.
pub static GRP: Table = Table {
    name: "grp",
    columns: &[
        Column {
            name: "net_id",
            sql: "int",
            access: Access::Fixed,
            key: true,
            late: true,
            references: Some(Reference {
                when_null: Some("is_default"),
                ..to("net", "net_id", By::Id)
            }),
            ..COLUMN
        },
        Column { name: "name", access: Access::Fixed, ..KEY },
        Column { name: "about", access: Access::Fixed, late: true, ..COLUMN },
        Column { name: "grp_id", ..ID },
        Column { name: "owner", ..OWNED },
        TAGS,
    ],
    births: &[Birth {
        table: "rule",
        parent: "grp_id",
        cells: &[("egress", "true"), ("range", "\"0.0.0.0/0\"")],
        kept: false,
    }],
    create_first: true,
    read_back: true,
    ..TABLE
};

/// Like a security group rule: its key is all there is to it, and names two groups.
pub static RULE: Table = Table {
    name: "rule",
    columns: &[
        Column { name: "grp_id", sql: "int", references: Some(to("grp", "grp_id", By::Id)), ..KEY },
        Column { name: "egress", sql: "boolean", ..KEY },
        Column { name: "port", sql: "int", kind: Kind::Port, key: true, ..COLUMN },
        Column { key: true, ..RANGE },
        Column {
            name: "source",
            sql: "int",
            key: true,
            references: Some(to("grp", "grp_id", By::Id)),
            ..COLUMN
        },
        Column { name: "rule_id", ..ID },
        NOTE,
    ],
    create_first: true,
    ..TABLE
};

/// Like a subnet: no two may overlap.
pub static PART: Table = Table {
    name: "part",
    columns: &[
        Column {
            name: "net_id",
            sql: "int",
            access: Access::Fixed,
            references: Some(to("net", "net_id", By::Id)),
            ..KEY
        },
        Column { key: true, required: true, access: Access::Fixed, ..RANGE },
        Column { name: "zone", access: Access::Fixed, late: true, ..COLUMN },
        Column { name: "part_id", ..ID },
        Column { name: "public", sql: "boolean", default: Some("false"), ..COLUMN },
    ],
    exclusive: true,
    ..TABLE
};

/// Like a load balancer: what it refers to can be changed.
pub static HOST: Table = Table {
    name: "host",
    columns: &[
        Column { name: "name", ..KEY },
        Column {
            name: "grp_id",
            sql: "int",
            required: true,
            references: Some(to("grp", "grp_id", By::Id)),
            ..COLUMN
        },
        Column {
            name: "part_id",
            sql: "int",
            references: Some(to("part", "part_id", By::Id)),
            ..COLUMN
        },
        Column { name: "host_id", ..ID },
        Column { name: "size", late: true, ..COLUMN },
    ],
    ..TABLE
};

/// Like an image repository: others refer to it by its name, and its id follows from that.
pub static REPO: Table = Table {
    name: "repo",
    columns: &[
        Column { name: "name", ..KEY },
        Column { name: "arn", ..ID },
        Column { name: "made_at", sql: "timestamptz", created: true, ..OWNED },
        Column { name: "is_open", sql: "boolean", default: Some("true"), ..COLUMN },
        Column { name: "lock", access: Access::Fixed, late: true, ..COLUMN },
    ],
    ..TABLE
};

/// Like a repository's policy: its id is a reference by name.
pub static POLICY: Table = Table {
    name: "policy",
    columns: &[
        Column {
            name: "repo_name",
            id: true,
            references: Some(to("repo", "name", By::Name)),
            ..KEY
        },
        Column { name: "registry", ..OWNED },
        Column { name: "text", sql: "jsonb", kind: Kind::Policy, required: true, ..COLUMN },
    ],
    ..TABLE
};

/// Like an image: it comes from elsewhere.
pub static IMAGE: Table = Table {
    name: "image",
    columns: &[
        Column { name: "uri", ..ID },
        Column {
            name: "repo_name",
            required: true,
            references: Some(Reference { cascade: true, ..to("repo", "name", By::Name) }),
            ..OWNED
        },
        Column { name: "tag", ..OWNED },
    ],
    import_only: true,
    ..TABLE
};

/// Rows that refer to each other.
pub static TREE: Table = Table {
    name: "tree",
    columns: &[
        Column { name: "name", ..KEY },
        Column {
            name: "parent",
            sql: "int",
            references: Some(to("tree", "tree_id", By::Id)),
            ..COLUMN
        },
        Column { name: "tree_id", ..ID },
        Column { name: "kind", access: Access::Fixed, ..COLUMN },
        NOTE,
    ],
    ..TABLE
};

/// The account's. Whoever makes one is not even told its id.
pub static PERSON: Table = Table {
    name: "person",
    scope: Scope::Global,
    read_back: true,
    columns: &[
        Column { name: "name", ..KEY },
        Column { name: "person_id", ..ID },
        Column { name: "made_at", sql: "timestamptz", created: true, ..OWNED },
        Column { name: "nets", sql: "text[]", kind: Kind::Set, ..COLUMN },
        Column { name: "papers", sql: "jsonb", kind: Kind::Policies, ..COLUMN },
    ],
    ..TABLE
};

/// The account's, and its name is the primary key.
pub static POOL: Table = Table {
    name: "pool",
    scope: Scope::Global,
    primary_key: Some("name"),
    columns: &[
        Column { name: "name", ..KEY },
        Column { name: "pool_id", ..ID },
        NOTE,
        Column {
            name: "level",
            sql: "pool_level",
            labels: &["high", "low"],
            default: Some("'low'"),
            ..COLUMN
        },
    ],
    checks: &[Check {
        sql: "NEW.name <> 'none'",
        message: "a pool can't be called none",
        hint: "Take another name, it's easy.",
    }],
    ..TABLE
};

/// The ids of what resembles subnets.
const PARTS: Column = Column {
    name: "part_ids",
    sql: "text[]",
    kind: Kind::Set,
    mentions: Some(Mention { table: "part", column: "part_id" }),
    ..COLUMN
};

/// Like the security groups of a load balancer: a part of it that refers to something.
pub static SEAT: Table = Table {
    name: "seat",
    owner: Some("balancer_name"),
    columns: &[
        Column { name: "grp_id", sql: "int", references: Some(to("grp", "grp_id", By::Id)), ..KEY },
        Column { name: "weight", sql: "int", default: Some("1"), ..COLUMN },
    ],
    ..TABLE
};

/// Like a load balancer with its groups.
pub static BALANCER: Table = Table {
    name: "balancer",
    columns: &[
        Column { name: "name", ..KEY },
        Column { name: "seat", kind: Kind::Parts(&SEAT), ..COLUMN },
        PARTS,
        Column { name: "balancer_id", ..ID },
    ],
    ..TABLE
};

/// Like a target group.
pub static TARGET: Table = Table {
    name: "target",
    columns: &[
        Column { name: "name", ..KEY },
        Column { name: "port", sql: "int", access: Access::Fixed, ..COLUMN },
        Column { name: "target_id", ..ID },
        NOTE,
    ],
    ..TABLE
};

/// Like a listener: nobody can use a target before one leads there.
pub static LISTENER: Table = Table {
    name: "listener",
    columns: &[
        Column { name: "balancer_name", references: Some(to("balancer", "name", By::Name)), ..KEY },
        Column { name: "port", sql: "int", ..KEY },
        Column {
            name: "target_name",
            references: Some(Reference { enables: true, ..to("target", "name", By::Name) }),
            ..COLUMN
        },
        Column { name: "listener_id", ..ID },
    ],
    ..TABLE
};

/// Like a container definition.
pub static BOX: Table = Table {
    name: "box",
    owner: Some("task_id"),
    columns: &[
        Column { name: "name", ..KEY },
        Column {
            name: "repo_name",
            references: Some(Reference { loose: true, ..to("repo", "name", By::Name) }),
            ..COLUMN
        },
        NOTE,
    ],
    ..TABLE
};

/// Like a task definition: an edit makes the next revision of it.
pub static TASK: Table = Table {
    name: "task",
    columns: &[
        Column { name: "family", access: Access::Fixed, required: true, ..COLUMN },
        Column {
            name: "person_name",
            access: Access::Fixed,
            references: Some(Reference { loose: true, ..to("person", "name", By::Name) }),
            ..COLUMN
        },
        Column { name: "box", access: Access::Fixed, kind: Kind::Parts(&BOX), ..COLUMN },
        Column { name: "task_id", ..ID },
    ],
    revises: true,
    ..TABLE
};

/// Like a service.
pub static SERVICE: Table = Table {
    name: "service",
    columns: &[
        Column { name: "name", ..KEY },
        Column {
            name: "task_id",
            sql: "int",
            required: true,
            references: Some(to("task", "task_id", By::Id)),
            ..COLUMN
        },
        Column {
            name: "target_name",
            references: Some(Reference { loose: true, ..to("target", "name", By::Name) }),
            ..COLUMN
        },
        PARTS,
        Column { name: "service_id", ..ID },
        NOTE,
    ],
    ..TABLE
};

/// All of them, in no order that matters.
pub static ALL: [&Table; 16] = [
    &RULE, &HOST, &GRP, &NET, &PART, &IMAGE, &POLICY, &REPO, &TREE, &PERSON, &POOL, &SERVICE,
    &LISTENER, &BALANCER, &TARGET, &TASK,
];

/// The references of a row, those of its parts among them: column, what was declared, the cell.
pub fn references<'a>(
    table: &'static Table,
    row: &'a Row,
) -> impl Iterator<Item = (&'static Column, &'static Reference, &'a Value)> {
    let cells = table.columns.iter().zip(row).flat_map(|(column, cell)| {
        let parts = column.parts().map_or(&[][..], |part| part.columns);
        let rows = cell.as_array().filter(|_| !parts.is_empty()).map_or(&[][..], Vec::as_slice);
        let inside = rows.iter().flat_map(move |row| {
            let cells = row.as_array().map_or(&[][..], Vec::as_slice);
            parts.iter().zip(cells).map(move |(part, cell)| (column, &part.references, cell))
        });
        std::iter::once((column, &column.references, cell)).chain(inside)
    });
    cells.filter_map(|(column, to, cell)| Some((column, to.as_ref()?, cell)))
}

/// Puts something else in each cell of a row that refers to something, those of its parts included.
pub fn change(table: &Table, row: &mut Row, mut to: impl FnMut(&Column, &Reference, &mut Value)) {
    for (column, cell) in table.columns.iter().zip(row) {
        if let Some(reference) = &column.references {
            to(column, reference, cell);
        }
        let (Some(part), Value::Array(rows)) = (column.parts(), cell) else { continue };
        for row in rows.iter_mut().filter_map(Value::as_array_mut) {
            for (inside, cell) in part.columns.iter().zip(row) {
                if let Some(reference) = &inside.references {
                    to(inside, reference, cell);
                }
            }
        }
    }
}

/// The ids that a row lists: column, what was declared, the id.
pub fn mentions<'a>(
    table: &'static Table,
    row: &'a Row,
) -> impl Iterator<Item = (&'static Column, &'static Mention, &'a Value)> {
    table.columns.iter().zip(row).flat_map(|(column, cell)| {
        let ids = cell.as_array().filter(|_| column.mentions.is_some());
        let mention = column.mentions.as_ref();
        let ids = ids.map_or(&[][..], Vec::as_slice).iter();
        ids.filter_map(move |id| Some((column, mention?, id)))
    })
}

pub fn named(name: &str) -> &'static Table {
    ALL.into_iter().find(|table| table.name == name).expect("a table")
}
