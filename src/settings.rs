//! The `iasql.*` settings. Who signs requests and where they go is for superusers; how hard to push
//! is for anybody.

use iasql_engine::wire::Settings;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::ffi::CString;

static ENDPOINT_URL: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static PROFILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static ASSUME_ROLE_ARN: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static EXTERNAL_ID: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static MAX_PARALLEL: GucSetting<i32> = GucSetting::<i32>::new(256);
static CALL_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(60);
static PATIENCE: GucSetting<i32> = GucSetting::<i32>::new(600);
static REFRESH: GucSetting<Refresh> = GucSetting::<Refresh>::new(Refresh::Full);
static ON_ERROR: GucSetting<OnError> = GucSetting::<OnError>::new(OnError::Raise);

/// How much of the cloud an apply looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum Refresh {
    #[name = c"full"]
    Full,
    #[name = c"changed"]
    Changed,
}

/// What happens when some changes of an apply fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum OnError {
    #[name = c"raise"]
    Raise,
    #[name = c"warn"]
    Warn,
}

/// Registers the settings; called once, when the library is loaded.
pub fn define() {
    let flags = GucFlags::default();
    for (name, short, long, setting) in [
        (
            c"iasql.endpoint_url",
            c"Sends every AWS request here instead.",
            c"For emulators and private endpoints. Empty means AWS, or what AWS_ENDPOINT_URL says.",
            &ENDPOINT_URL,
        ),
        (
            c"iasql.profile",
            c"The profile of the server's AWS configuration files.",
            c"The files are those of the operating system user that runs the server.",
            &PROFILE,
        ),
        (
            c"iasql.assume_role_arn",
            c"A role to take on before any other call.",
            c"The server's own credentials must be allowed to assume it.",
            &ASSUME_ROLE_ARN,
        ),
        (
            c"iasql.external_id",
            c"The external id that goes with iasql.assume_role_arn.",
            c"Needed where the role's trust policy asks for one.",
            &EXTERNAL_ID,
        ),
    ] {
        GucRegistry::define_string_guc(name, short, long, setting, GucContext::Suset, flags);
    }
    GucRegistry::define_int_guc(
        c"iasql.max_parallel",
        c"AWS calls in flight at once.",
        c"Pacing by AWS's published rate limits comes on top.",
        &MAX_PARALLEL,
        1,
        1024,
        GucContext::Userset,
        flags,
    );
    GucRegistry::define_int_guc(
        c"iasql.call_timeout",
        c"How long one AWS call may take.",
        c"A call that takes longer counts as one whose outcome is not known.",
        &CALL_TIMEOUT,
        1,
        3600,
        GucContext::Userset,
        flags | GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"iasql.patience",
        c"How long throttling, and states that AWS takes its time for, are waited out.",
        c"After that the change fails; the next apply does what is left.",
        &PATIENCE,
        0,
        86_400,
        GucContext::Userset,
        flags | GucFlags::UNIT_S,
    );
    GucRegistry::define_enum_guc(
        c"iasql.refresh",
        c"Whether an apply looks at everything, or only at tables with edited rows.",
        c"With changed, drift elsewhere is not noticed; the plan says what was not looked at.",
        &REFRESH,
        GucContext::Userset,
        flags,
    );
    GucRegistry::define_enum_guc(
        c"iasql.on_error",
        c"Whether an apply some of whose changes fail raises an error or a warning.",
        c"An error rolls the caller's transaction back, though not the cloud; what was done is found again.",
        &ON_ERROR,
        GucContext::Userset,
        flags,
    );
    // SAFETY: a constant string, and we are in _PG_init.
    unsafe { pgrx::pg_sys::MarkGUCPrefixReserved(c"iasql".as_ptr()) };
}

/// How much of the cloud to look at.
pub fn refresh() -> Refresh {
    REFRESH.get()
}

/// What to do when some changes fail.
pub fn on_error() -> OnError {
    ON_ERROR.get()
}

/// The settings as the worker needs them.
pub fn for_worker(region: Option<String>) -> Settings {
    let text = |setting: &GucSetting<Option<CString>>| {
        let text = setting.get()?.to_string_lossy().into_owned();
        (!text.is_empty()).then_some(text)
    };
    let positive = |setting: &GucSetting<i32>| u64::try_from(setting.get()).unwrap_or_default();
    Settings {
        region,
        endpoint_url: text(&ENDPOINT_URL),
        profile: text(&PROFILE),
        assume_role_arn: text(&ASSUME_ROLE_ARN),
        external_id: text(&EXTERNAL_ID),
        max_parallel: usize::try_from(MAX_PARALLEL.get()).unwrap_or(1),
        call_timeout: positive(&CALL_TIMEOUT),
        patience: positive(&PATIENCE),
    }
}
