//! `StartServiceCtrlDispatcherW`: the service manager starts this program, is told that it runs, and that it has ended.

use std::{
    io, ptr,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use windows_sys::Win32::{
    Foundation::{ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_DATABASE_LOCKED, ERROR_SERVICE_NOT_ACTIVE},
    System::Services::{
        CloseServiceHandle, ControlService, DeleteService, OpenSCManagerW, OpenServiceW, QueryServiceStatus,
        RegisterServiceCtrlHandlerW, SC_HANDLE, SC_MANAGER_CONNECT, SERVICE_CONTROL_STOP,
        SERVICE_QUERY_STATUS, SERVICE_RUNNING, SERVICE_START, SERVICE_STATUS, SERVICE_STOP, SERVICE_STOPPED,
        SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
        StartServiceW,
    },
};

use crate::sys::wide::wide;

/// How long, and how many times, the manager and services are waited for: half a minute in all.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSES: u32 = 120;
/// The right to remove a service (`DELETE`).
const DELETE: u32 = 0x0001_0000;

type Work = Box<dyn FnOnce() + Send>;

/// What the service does, and its name; the entry that Windows calls takes no arguments of ours.
static WORK: Mutex<Option<(Vec<u16>, Work)>> = Mutex::new(None);

/// Does the work as the service `name`, and returns when it has ended.
///
/// # Errors
/// When this program was not started by the service manager.
#[allow(unsafe_code)]
pub fn run(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut name = wide(name);
    *WORK.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.clone(), Box::new(work)));
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_mut_ptr(), lpServiceProc: Some(main) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry, and the name in it with NUL; both outlive the call, which returns when
    // the service has stopped.
    match unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[allow(unsafe_code)]
unsafe extern "system" fn main(_: u32, _: *mut *mut u16) {
    let taken = WORK.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((name, work)) = taken else { return };
    // SAFETY: the name ends with NUL and outlives the call; the handler is a function of this program.
    let handle = unsafe { RegisterServiceCtrlHandlerW(name.as_ptr(), Some(control)) };
    if handle.is_null() {
        return;
    }
    let tell = |state| {
        let status = SERVICE_STATUS {
            dwServiceType: SERVICE_WIN32_OWN_PROCESS,
            dwCurrentState: state,
            ..SERVICE_STATUS::default()
        };
        // SAFETY: the handle came from the call above, and the status outlives this one.
        unsafe { SetServiceStatus(handle, &raw const status) };
    };
    tell(SERVICE_RUNNING);
    work();
    tell(SERVICE_STOPPED);
}

/// The service accepts no controls: it ends by itself, soon.
#[allow(unsafe_code)]
unsafe extern "system" fn control(_: u32) {}

/// Removes a service; a running one goes when it ends.
///
/// # Errors
/// When there is none of this name, or no right to remove it.
#[allow(unsafe_code)]
pub fn delete(name: &str) -> io::Result<()> {
    let service = open(name, DELETE)?;
    // SAFETY: the handle is open, with the right this needs.
    told(unsafe { DeleteService(service.0) })
}

/// Starts a service; one that runs is no error.
///
/// # Errors
/// When there is none of this name, it is disabled, or Windows refuses.
#[allow(unsafe_code)]
pub fn start(name: &str) -> io::Result<()> {
    let service = open(name, SERVICE_START)?;
    // SAFETY: the handle is open, with the right this needs; no arguments are given.
    let start = || told(unsafe { StartServiceW(service.0, 0, ptr::null()) });
    unless(ERROR_SERVICE_ALREADY_RUNNING, once_unlocked(start))
}

/// While the manager starts the services of the boot its database is locked, and it starts no other. That passes.
fn once_unlocked(start: impl Fn() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..PAUSES {
        match start() {
            Err(error) if error.raw_os_error() == Some(ERROR_SERVICE_DATABASE_LOCKED.cast_signed()) => {
                thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
    start()
}

/// Stops a service, and waits until it has; one that is stopped is no error.
///
/// # Errors
/// When there is none of this name, others need it, or Windows refuses.
#[allow(unsafe_code)]
pub fn stop(name: &str) -> io::Result<()> {
    let service = open(name, SERVICE_STOP | SERVICE_QUERY_STATUS)?;
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the handle is open, with the right this needs, and `status` is writable.
    let stopped = told(unsafe { ControlService(service.0, SERVICE_CONTROL_STOP, &raw mut status) });
    match stopped {
        Err(error) if error.raw_os_error() == Some(ERROR_SERVICE_NOT_ACTIVE.cast_signed()) => return Ok(()),
        other => other?,
    }
    // It was asked and takes its time; who starts it before it has ended starts nothing.
    for _ in 0..PAUSES {
        // SAFETY: the handle is open, with the right this needs, and `status` is writable.
        told(unsafe { QueryServiceStatus(service.0, &raw mut status) })?;
        if status.dwCurrentState == SERVICE_STOPPED {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// A handle of the service manager's.
struct Handle(SC_HANDLE);

impl Drop for Handle {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: this owns the handle, and nobody uses it after this.
        unsafe { CloseServiceHandle(self.0) };
    }
}

#[allow(unsafe_code)]
fn open(name: &str, access: u32) -> io::Result<Handle> {
    let owned = |handle: SC_HANDLE| {
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Handle(handle)) }
    };
    // SAFETY: null stands for this computer and its one database.
    let manager = owned(unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT) })?;
    let name = wide(name);
    // SAFETY: the manager is open, and the name ends with NUL and outlives the call.
    owned(unsafe { OpenServiceW(manager.0, name.as_ptr(), access) })
}

fn told(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn unless(code: u32, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(code.cast_signed()) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_database_is_waited_for() {
        let left = std::cell::Cell::new(3);
        let locked = || Err(io::Error::from_raw_os_error(ERROR_SERVICE_DATABASE_LOCKED.cast_signed()));
        once_unlocked(|| if left.replace(left.get() - 1) > 0 { locked() } else { Ok(()) }).unwrap();
        assert_eq!(left.get(), -1);
        let refused = once_unlocked(|| Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    /// Starting one is not tried here: the services of a new Wine prefix may be starting themselves.
    #[test]
    fn services_are_found_by_name() {
        let missing = "coldstate-no-such-service";
        for result in [start(missing), stop(missing), delete(missing)] {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(1060), "ERROR_SERVICE_DOES_NOT_EXIST");
        }
    }

    #[test]
    fn a_program_that_the_manager_did_not_start_is_no_service() {
        assert!(run("coldstate-test", || {}).is_err());
    }
}
