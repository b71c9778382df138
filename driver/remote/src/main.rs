//! The load pod: `kubectl attach` leads the driver's stream to its standard input and output.

use std::process::ExitCode;

use lab_say::note;

/// Those that read and write the streams and look names up, a send loop and its clock; as a rule there is one.
const THREADS: usize = 6;

fn main() -> ExitCode {
    if let Err(error) = lab_say::allow_threads(THREADS) {
        note!("load: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            note!("load: no event loop to be had: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(lab_remote::serve(tokio::io::stdin(), tokio::io::stdout()));
    // A read of standard input that is under way would keep it for ever.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("load: {}", lab_say::reason(&error));
            ExitCode::FAILURE
        }
    }
}
