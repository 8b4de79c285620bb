//! `StartServiceCtrlDispatcherW`: the service manager starts this program, is told that it runs, and that it has ended.

use std::{
    io, ptr,
    sync::{Mutex, PoisonError},
};

use windows_sys::Win32::System::Services::{
    CloseServiceHandle, DeleteService, OpenSCManagerW, OpenServiceW, RegisterServiceCtrlHandlerW,
    SC_MANAGER_CONNECT, SERVICE_RUNNING, SERVICE_STATUS, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW,
    SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
};

/// The right to remove a service (`DELETE`).
const DELETE: u32 = 0x0001_0000;

type Work = Box<dyn FnOnce() + Send>;

/// What the service does, and its name; the entry that Windows calls takes no arguments of ours.
static WORK: Mutex<Option<(Vec<u16>, Work)>> = Mutex::new(None);

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

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
    let name = wide(name);
    // SAFETY: null stands for this computer and its one database.
    let manager = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT) };
    if manager.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is open, and the name ends with NUL and outlives the call.
    let service = unsafe { OpenServiceW(manager, name.as_ptr(), DELETE) };
    let mut result = Err(io::Error::last_os_error());
    if !service.is_null() {
        // SAFETY: the handle is open, with the right this needs.
        result = match unsafe { DeleteService(service) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        };
        // SAFETY: it is not used after this.
        unsafe { CloseServiceHandle(service) };
    }
    // SAFETY: it is not used after this.
    unsafe { CloseServiceHandle(manager) };
    result
}
