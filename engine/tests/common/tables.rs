//! A few tables with every trait that a table can have, named after what they resemble.

use iasql_engine::table::{Access, Birth, By, Check, Column, Kind, Reference, Scope, Table};

const COLUMN: Column = Column {
    name: "",
    sql: "text",
    kind: Kind::Plain,
    access: Access::Settable,
    key: false,
    id: false,
    created: false,
    late: false,
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

/// All of them, in no order that matters.
pub static ALL: [&Table; 11] =
    [&RULE, &HOST, &GRP, &NET, &PART, &IMAGE, &POLICY, &REPO, &TREE, &PERSON, &POOL];

pub fn named(name: &str) -> &'static Table {
    ALL.into_iter().find(|table| table.name == name).expect("a table")
}
