//! What a step is to the services, and what the rooms of the steps are made of.

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use clap::{Args, value_parser};
use tokio::task::JoinError;

use crate::code::Code;
use crate::database::Database;
use crate::dep::Dep;
use crate::failure::Failure;
use crate::job::ServiceTimes;
use crate::metrics::Registry;
use crate::quota::Cpu;
use crate::replica::Replica;

/// A step, as the services have it.
pub(crate) struct Step {
    /// What it answers to, and in which service.
    pub(super) routes: Routes,
    /// The paths of its routes in `api`, each of which has a line of its own in front of the admission limit.
    pub(super) paths: &'static [&'static str],
    /// Its case; none where participants edit no code.
    pub(super) case: Option<Case>,
    /// The sizes with which `api` runs; only cheats change them.
    pub(super) sizes: fn(Code, Sizes) -> Sizes,
}

/// Makes the routes of a step, and registers what it counts.
pub(super) enum Routes {
    Api(fn(&ApiMeans, &mut Registry) -> Router),
    Worker(fn(&WorkerMeans, &mut Registry) -> Router),
}

/// The implementations of a step's case.
pub(super) struct Case {
    /// Their paths in the project, each with its text as it was compiled into this build.
    pub(super) compiled: &'static [(&'static str, &'static str)],
    /// Names of the variants that must fail.
    #[cfg(feature = "cheats")]
    pub(super) cheats: &'static [&'static str],
    /// Names of the variants that must pass.
    #[cfg(feature = "cheats")]
    pub(super) fixes: &'static [&'static str],
}

/// What `api` has for its steps.
#[derive(Clone)]
pub(crate) struct ApiMeans {
    pub(crate) code: Code,
    pub(crate) dep: Dep,
    pub(crate) database: Option<Database>,
    pub(crate) cpu: Arc<Cpu>,
    pub(crate) replica: Replica,
}

/// What `worker` has for its steps.
pub(crate) struct WorkerMeans {
    pub(crate) code: Code,
    /// Jobs that run at once.
    pub(crate) workers: usize,
    pub(crate) times: ServiceTimes,
}

/// The bounds on which a scenario turns.
#[derive(Args, Clone, Debug)]
pub(crate) struct Sizes {
    /// Requests to /cases that are at work at once; the others wait.
    #[arg(long, env = "LAB_ADMISSION_SLOTS", default_value_t = 16, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) admission_slots: u32,
    /// Connections in the pool.
    #[arg(long, env = "LAB_POOL_SIZE", default_value_t = 10, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) pool_size: u32,
}

/// The [`Case`] whose files are called like the module.
macro_rules! case {
    ($name:ident) => {
        Case {
            compiled: &[
                case!("" $name),
                case!("starter/" $name),
                case!("solved/" $name),
                #[cfg(feature = "cheats")]
                case!("cheats/" $name),
                #[cfg(feature = "cheats")]
                case!("fixes/" $name),
            ],
            #[cfg(feature = "cheats")]
            cheats: crate::cases::cheats::$name::NAMES,
            #[cfg(feature = "cheats")]
            fixes: crate::cases::fixes::$name::NAMES,
        }
    };
    ($folder:literal $name:ident) => {
        (
            concat!("lab-services/src/cases/", $folder, stringify!($name), ".rs"),
            include_str!(concat!("../cases/", $folder, stringify!($name), ".rs")),
        )
    };
}
pub(super) use case;

/// A case under way. It is boxed so that an edit of a case rebuilds the case alone, and not what calls it.
pub(super) type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Starts `case::function(arguments)` of the implementation that `code` is: a [`Running`].
macro_rules! start {
    ($code:expr, $case:ident::$function:ident($($argument:expr),*)) => {
        match $code {
            Code::Mine => Box::pin(crate::cases::$case::$function($($argument),*)),
            Code::Starter => Box::pin(crate::cases::starter::$case::$function($($argument),*)),
            Code::Solved => Box::pin(crate::cases::solved::$case::$function($($argument),*)),
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => Box::pin(crate::cases::cheats::$case::$function(name, $($argument),*)),
            #[cfg(feature = "cheats")]
            Code::Fix(name) => Box::pin(crate::cases::fixes::$case::$function(name, $($argument),*)),
        }
    };
}
pub(super) use start;

/// What a request is told whose case panicked, or was ended together with the service.
pub(super) fn panicked(file: &'static str, error: JoinError) -> Failure {
    let Ok(panic) = error.try_into_panic() else {
        return Failure::Unavailable("the service is ending".into());
    };
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Failure::Panicked {
        file,
        message: text.unwrap_or("no message").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_names_the_file_and_what_it_said() {
        let task = tokio::spawn(async { panic!("no account {}", 7) });
        let failure = panicked("cases/tx.rs", task.await.unwrap_err());
        assert!(
            failure
                .to_string()
                .starts_with("cases/tx.rs panicked: no account 7."),
            "{failure}"
        );
    }
}
