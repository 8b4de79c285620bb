//! Reaching the share that a datastore lies on.
//!
//! In WinPE a program runs as LocalSystem, whom no server knows. The name to connect with is the administrator's
//! (`--net-user`), or one that the task sequence has: that of its step "Connect to Network Folder", or its network access
//! account. Those are tried only where the share cannot be reached without.

use std::path::Path;

use zeroize::Zeroizing;

use super::{
    args::{Arguments, Verb},
    console::Console,
    error::{UserError, io_exit},
    exit::Exit,
    password,
};
use crate::{
    sys::network::{self, Connection},
    taskseq::Environment,
};

/// A name and its password.
pub(super) struct Credentials {
    user: String,
    password: Zeroizing<String>,
}

/// What a task sequence knows, in the order in which it is tried.
pub(super) fn offered(environment: &dyn Environment) -> Vec<Credentials> {
    let pairs = [
        ("SMSConnectNetworkFolderAccount", "SMSConnectNetworkFolderPassword"),
        ("_SMSTSReserved1-000", "_SMSTSReserved2-000"),
    ];
    let read = |(user, password)| {
        // Both are asked for, whichever is there.
        let (user, password) = (environment.get(user), environment.get(password).map(Zeroizing::new));
        Some(Credentials { user: user?, password: password? })
    };
    pairs.into_iter().filter_map(read).collect()
}

/// Connects to the share of the datastore where that takes a name. The connection lasts as long as the value.
pub(super) fn connect(
    console: &Console,
    arguments: &Arguments,
    environment: Option<&dyn Environment>,
) -> Result<Option<Connection>, UserError> {
    let share = datastore(&arguments.verb).and_then(share);
    let given = &arguments.output.network;
    let Some(user) = &given.net_user else {
        let unreachable = share.filter(|share| !Path::new(share).is_dir());
        let Some((share, environment)) = unreachable.zip(environment) else { return Ok(None) };
        return Ok(offered(environment).into_iter().find_map(|Credentials { user, password }| {
            let connected = network::connect(&share, &user, &password);
            match &connected {
                Ok(_) => console.status(format!("connected to {share} as {user}")),
                Err(error) => console.warn(format!("{share} does not let in {user}: {error}")),
            }
            connected.ok()
        }));
    };
    let Some(share) = share else {
        return Err(UserError::new(
            Exit::BadArguments,
            "The datastore is on no share, and --net-user is given.",
        )
        .hint(r"Leave it out, or give the datastore as \\SERVER\SHARE\FOLDER."));
    };
    let password = match (&given.typed, &given.net_password_file) {
        (Some(typed), _) => typed.clone(),
        (None, Some(file)) => password::text(file, "--net-password-file")?,
        (None, None) => return Err(needed_password()),
    };
    connect_as(console, &share, user, &password).map(Some)
}

fn needed_password() -> UserError {
    UserError::new(Exit::BadArguments, "The option --net-password-file FILE is missing.")
        .hint("--net-user needs it: the password is the first line of FILE.")
}

/// Connects to a share by this name.
pub(super) fn connect_as(
    console: &Console,
    share: &str,
    user: &str,
    password: &str,
) -> Result<Connection, UserError> {
    let connection = network::connect(share, user, password).map_err(|error| {
        // ERROR_LOGON_FAILURE is none of the kinds that io::Error knows.
        let exit = match error.raw_os_error() {
            Some(1326) if cfg!(windows) => Exit::AccessDenied,
            _ => io_exit(&error, Exit::DatastoreNotUsable),
        };
        UserError::new(exit, format!("{share} cannot be connected to as {user}: {error}."))
            .hint(if cfg!(windows) {
                "Check name and password, and that nothing else is connected to that server under another name (`net use`)."
            } else {
                "Mount the share, and give the folder it is mounted on."
            })
    })?;
    console.status(format!("connected to {share} as {user}"));
    Ok(connection)
}

/// The datastore that a verb is about.
fn datastore(verb: &Verb) -> Option<&Path> {
    match verb {
        Verb::Extract(args) => args.datastore.as_deref(),
        Verb::Estimate(args) => args.datastore.as_deref(),
        Verb::Inject(args) => args.datastore.as_deref(),
        Verb::List(args) | Verb::Show(args) | Verb::Verify(args) => args.store.datastore.as_deref(),
        Verb::Export(args) => args.select.store.datastore.as_deref(),
        Verb::Forget(args) => args.store.datastore.as_deref(),
        Verb::Prune(args) => args.store.datastore.as_deref(),
        _ => None,
    }
}

/// The share of a path: `\\server\share`.
pub(super) fn share(path: &Path) -> Option<String> {
    let mut parts = path.to_str()?.strip_prefix(r"\\")?.split('\\');
    let (server, share) = (parts.next()?, parts.next()?);
    // `\\?\` and `\\.\` are no servers.
    let is_name = |text: &str| !matches!(text, "" | "?" | ".");
    (is_name(server) && is_name(share)).then(|| format!(r"\\{server}\{share}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::taskseq::Variables;

    #[test]
    fn a_share_is_told_from_a_disk() {
        let of = |path: &str| share(Path::new(path));
        assert_eq!(of(r"\\srv\state$\pcs\1").unwrap(), r"\\srv\state$");
        assert_eq!(of(r"\\srv\state").unwrap(), r"\\srv\state");
        for other in [r"D:\store", r"\\srv", r"\\srv\", r"\\?\D:\store", r"\\.\D:\x", "store", r"\store"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_sequence_offers_the_account_of_its_step_first() {
        let names = |values: &[(&str, &str)]| -> Vec<(String, String)> {
            let offered = offered(&Variables::new(values));
            offered.into_iter().map(|one| (one.user, one.password.to_string())).collect()
        };
        let all = [
            ("_SMSTSReserved1-000", r"CONTOSO\naa"),
            ("_SMSTSReserved2-000", "n"),
            ("SMSConnectNetworkFolderAccount", r"CONTOSO\step"),
            ("SMSConnectNetworkFolderPassword", "s"),
        ];
        let pair = |user: &str, password: &str| (user.to_owned(), password.to_owned());
        assert_eq!(names(&all), [pair(r"CONTOSO\step", "s"), pair(r"CONTOSO\naa", "n")]);
        assert_eq!(names(&all[..3]), [pair(r"CONTOSO\naa", "n")], "a name without a password is none");
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn a_name_for_no_share_is_a_mistake() {
        let words = r"coldstate list --datastore D:\store --net-user a --net-password-file b";
        let arguments = Arguments::read(words.split(' ').map(Into::into)).unwrap();
        let error = connect(&Console::silent(), &arguments, None).map(drop).unwrap_err();
        assert_eq!(error.exit, Exit::BadArguments);
        assert!(Arguments::read("coldstate list --net-user a".split(' ').map(Into::into)).is_err());
    }
}
