//! The window as `user32` and `gdi32` draw it. Only functions that Windows 7 has.

use std::{cell::RefCell, io, ptr};

use windows_sys::Win32::{
    Foundation::{HWND, LPARAM, LRESULT, POINT, RECT, WPARAM},
    Graphics::Gdi::{
        BeginPaint, BitBlt, CreateCompatibleBitmap, CreateCompatibleDC, CreateFontIndirectW, CreatePen,
        CreateSolidBrush, DT_CENTER, DT_END_ELLIPSIS, DT_LEFT, DT_NOPREFIX, DT_PATH_ELLIPSIS, DT_RIGHT,
        DT_SINGLELINE, DT_VCENTER, DT_WORDBREAK, DeleteDC, DeleteObject, DrawTextW, EndPaint, FW_NORMAL,
        FW_SEMIBOLD, FillRect, GetDC, GetDeviceCaps, HDC, HFONT, InvalidateRect, LOGFONTW, LOGPIXELSY,
        PAINTSTRUCT, PS_SOLID, Polyline, ReleaseDC, SRCCOPY, SelectObject, SetBkMode, SetTextColor,
        TRANSPARENT, UpdateWindow,
    },
    System::LibraryLoader::GetModuleHandleW,
    UI::{
        Input::KeyboardAndMouse::{
            GetKeyState, VK_DOWN, VK_ESCAPE, VK_NEXT, VK_PRIOR, VK_RETURN, VK_SHIFT, VK_SPACE, VK_TAB, VK_UP,
        },
        WindowsAndMessaging::{
            AdjustWindowRectEx, CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW,
            GetClientRect, GetMessageW, IDC_ARROW, LoadCursorW, LoadIconW, MSG, NONCLIENTMETRICSW,
            PostQuitMessage, RegisterClassExW, SPI_GETNONCLIENTMETRICS, SPI_GETWORKAREA, SW_SHOW,
            SetForegroundWindow, SetProcessDPIAware, SetTimer, ShowWindow, SystemParametersInfoW,
            TranslateMessage, WM_CLOSE, WM_DESTROY, WM_ERASEBKGND, WM_KEYDOWN, WM_LBUTTONDOWN, WM_PAINT,
            WM_TIMER, WNDCLASSEXW, WS_CAPTION, WS_OVERLAPPED, WS_SYSMENU,
        },
    },
};

use super::{Align, Canvas, Colour, Draw, Event, Fit, Font, Frame, Key, Opened, Picture, Rect, Then};
use crate::sys::wide::wide;

/// How often the picture is asked for anew, in milliseconds.
const TICK: u32 = 200;
const FONTS: [Font; 4] = [Font::Text, Font::Strong, Font::Small, Font::Heading];

/// What belongs to the window of a thread.
struct Open {
    picture: Box<dyn Picture>,
    /// In the order of [`FONTS`]; null where one could not be made, which draws in the system's.
    fonts: [HFONT; 4],
    dpi: i32,
}

thread_local! {
    /// The procedure of a window is only ever called on the thread that made it.
    #[allow(clippy::missing_const_for_thread_local, reason = "it is const; the lint misses that on the win7 targets")]
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
}

/// Makes the window, says whether there is one, and hands on its messages until it closes.
#[allow(unsafe_code)]
pub(super) fn show(frame: &Frame, picture: Box<dyn Picture>, opened: &Opened) {
    let dpi = scale(frame);
    OPEN.set(Some(Open { picture, fonts: fonts(dpi), dpi }));
    match make(frame, dpi) {
        Err(error) => {
            opened.tell(Err(error));
        }
        Ok(window) if !opened.tell(Ok(())) => {
            // SAFETY: the window is open and of this thread. Nobody has seen it.
            unsafe { DestroyWindow(window) };
        }
        Ok(window) => {
            // SAFETY: the window is open and of this thread.
            unsafe {
                ShowWindow(window, SW_SHOW);
                SetForegroundWindow(window);
                UpdateWindow(window);
                SetTimer(window, 1, TICK, None);
            }
            let mut message = MSG::default();
            // SAFETY: the message outlives each call; null stands for all windows of this thread.
            while unsafe { GetMessageW(&raw mut message, ptr::null_mut(), 0, 0) } > 0 {
                // SAFETY: the message came from the call above.
                unsafe {
                    TranslateMessage(&raw const message);
                    DispatchMessageW(&raw const message);
                }
            }
        }
    }
    if let Some(open) = OPEN.take() {
        for font in open.fonts {
            // SAFETY: the fonts are of this window, which is gone; null is refused without harm.
            unsafe { DeleteObject(font) };
        }
    }
}

/// The part of the screen that windows may take.
#[allow(unsafe_code)]
fn work_area() -> RECT {
    let mut area = RECT { left: 0, top: 0, right: 640, bottom: 480 };
    // SAFETY: this asks for one RECT, which outlives the call.
    unsafe { SystemParametersInfoW(SPI_GETWORKAREA, 0, (&raw mut area).cast(), 0) };
    area
}

/// Dots per inch: the screen's, or as many as let the window fit on it.
#[allow(unsafe_code)]
fn scale(frame: &Frame) -> i32 {
    // SAFETY: the calls take no memory of ours; null stands for the whole screen, whose context is given back.
    let dpi = unsafe {
        SetProcessDPIAware();
        let screen = GetDC(ptr::null_mut());
        let dpi = GetDeviceCaps(screen, LOGPIXELSY as i32);
        ReleaseDC(ptr::null_mut(), screen);
        dpi
    };
    let area = work_area();
    // Room for the frame and the title bar, which follow their own rules.
    let (width, height) = (frame.width + 16, frame.height + 44);
    let fits = ((area.right - area.left) * 96 / width).min((area.bottom - area.top) * 96 / height);
    dpi.min(fits).max(48)
}

#[allow(unsafe_code)]
fn make(frame: &Frame, dpi: i32) -> io::Result<HWND> {
    let class_name = wide("coldstate");
    // SAFETY: null stands for this program.
    let program = unsafe { GetModuleHandleW(ptr::null()) };
    let class = WNDCLASSEXW {
        cbSize: size_of::<WNDCLASSEXW>() as u32,
        lpfnWndProc: Some(procedure),
        hInstance: program,
        // SAFETY: the first icon of this program, by number; null when it has none.
        hIcon: unsafe { LoadIconW(program, ptr::without_provenance(1)) },
        // SAFETY: null stands for the system's own cursors.
        hCursor: unsafe { LoadCursorW(ptr::null_mut(), IDC_ARROW) },
        lpszClassName: class_name.as_ptr(),
        ..WNDCLASSEXW::default()
    };
    // SAFETY: the class and its name outlive the call. A second window of this program finds it registered, which does
    // no harm.
    unsafe { RegisterClassExW(&raw const class) };
    let style = WS_OVERLAPPED | WS_CAPTION | if frame.closes { WS_SYSMENU } else { 0 };
    let mut outside =
        RECT { left: 0, top: 0, right: frame.width * dpi / 96, bottom: frame.height * dpi / 96 };
    // SAFETY: the rectangle outlives the call.
    unsafe { AdjustWindowRectEx(&raw mut outside, style, 0, 0) };
    let area = work_area();
    let (width, height) = (outside.right - outside.left, outside.bottom - outside.top);
    let x = area.left + ((area.right - area.left - width) / 2).max(0);
    let y = area.top + ((area.bottom - area.top - height) / 2).max(0);
    let title = wide(&frame.title);
    // SAFETY: both names end with NUL and outlive the call; the class has been registered by this program.
    let window = unsafe {
        CreateWindowExW(
            0,
            class_name.as_ptr(),
            title.as_ptr(),
            style,
            x,
            y,
            width,
            height,
            ptr::null_mut(),
            ptr::null_mut(),
            program,
            ptr::null(),
        )
    };
    if window.is_null() { Err(io::Error::last_os_error()) } else { Ok(window) }
}

/// The system's font for messages, in our sizes.
#[allow(unsafe_code)]
fn fonts(dpi: i32) -> [HFONT; 4] {
    let size = size_of::<NONCLIENTMETRICSW>() as u32;
    let mut metrics = NONCLIENTMETRICSW { cbSize: size, ..NONCLIENTMETRICSW::default() };
    // SAFETY: this asks for one NONCLIENTMETRICSW of the size it says, which outlives the call. Where the call fails, the
    // name stays empty, for which the system chooses a font.
    unsafe { SystemParametersInfoW(SPI_GETNONCLIENTMETRICS, size, (&raw mut metrics).cast(), 0) };
    FONTS.map(|font| {
        let weight = if matches!(font, Font::Strong | Font::Heading) { FW_SEMIBOLD } else { FW_NORMAL };
        let wanted = LOGFONTW {
            lfHeight: -(font.height() * dpi / 96),
            lfWidth: 0,
            lfWeight: weight as i32,
            lfItalic: 0,
            ..metrics.lfMessageFont
        };
        // SAFETY: the description outlives the call.
        unsafe { CreateFontIndirectW(&raw const wanted) }
    })
}

#[allow(unsafe_code)]
unsafe extern "system" fn procedure(window: HWND, message: u32, wide: WPARAM, long: LPARAM) -> LRESULT {
    let event = match message {
        WM_DESTROY => {
            // SAFETY: takes no memory of ours.
            unsafe { PostQuitMessage(0) };
            return 0;
        }
        WM_PAINT => {
            paint(window);
            return 0;
        }
        // Everything is drawn, so nothing needs to be erased before.
        WM_ERASEBKGND => return 1,
        WM_TIMER => Some(Event::Tick),
        WM_CLOSE => Some(Event::Key(Key::Escape)),
        WM_KEYDOWN => key(wide).map(Event::Key),
        WM_LBUTTONDOWN => {
            Some(Event::Click(i32::from(long as u16 as i16), i32::from((long >> 16) as u16 as i16)))
        }
        _ => None,
    };
    let Some(event) = event else {
        // SAFETY: the arguments are those that Windows gave.
        return unsafe { DefWindowProcW(window, message, wide, long) };
    };
    let told = |open: &mut Open| open.picture.event(event);
    let then = OPEN.with_borrow_mut(|open| open.as_mut().map_or(Then::Close, told));
    // SAFETY: the window is open and of this thread; nothing of `OPEN` is borrowed while Windows calls back.
    unsafe {
        match then {
            Then::Stay => InvalidateRect(window, ptr::null(), 0),
            Then::Close => DestroyWindow(window),
        }
    };
    0
}

#[allow(unsafe_code)]
fn key(code: WPARAM) -> Option<Key> {
    // SAFETY: takes no memory of ours.
    let shift = unsafe { GetKeyState(i32::from(VK_SHIFT)) } < 0;
    Some(match u16::try_from(code).ok()? {
        VK_TAB if shift => Key::BackTab,
        VK_TAB => Key::Tab,
        VK_RETURN | VK_SPACE => Key::Enter,
        VK_ESCAPE => Key::Escape,
        VK_UP => Key::Up,
        VK_DOWN => Key::Down,
        VK_PRIOR => Key::PageUp,
        VK_NEXT => Key::PageDown,
        _ => return None,
    })
}

/// Draws the picture on a bitmap and shows that at once, so that nothing flickers.
#[allow(unsafe_code)]
fn paint(window: HWND) {
    let mut area = RECT::default();
    let mut begun = PAINTSTRUCT::default();
    // SAFETY: the window is open and of this thread; both structures outlive the calls. What is made here is freed here,
    // and the bitmap is no longer selected when it is.
    unsafe {
        let screen = BeginPaint(window, &raw mut begun);
        GetClientRect(window, &raw mut area);
        let (width, height) = (area.right, area.bottom);
        let memory = CreateCompatibleDC(screen);
        let bitmap = CreateCompatibleBitmap(screen, width, height);
        let before = SelectObject(memory, bitmap);
        OPEN.with_borrow_mut(|open| {
            let Some(open) = open else { return };
            SetBkMode(memory, TRANSPARENT as i32);
            for operation in open.picture.draw(Canvas { width, height, dpi: open.dpi }) {
                draw(memory, &open.fonts, operation);
            }
        });
        BitBlt(screen, 0, 0, width, height, memory, 0, 0, SRCCOPY);
        SelectObject(memory, before);
        DeleteObject(bitmap);
        DeleteDC(memory);
        EndPaint(window, &raw const begun);
    }
}

fn colour(Colour(red, green, blue): Colour) -> u32 {
    u32::from_le_bytes([red, green, blue, 0])
}

fn rect(place: Rect) -> RECT {
    let Rect { x, y, width, height } = place;
    RECT { left: x, top: y, right: x + width, bottom: y + height }
}

/// # Safety
/// `on` must be a device context that is open, and the fonts must exist or be null.
#[allow(unsafe_code)]
unsafe fn draw(on: HDC, fonts: &[HFONT; 4], operation: Draw) {
    match operation {
        // SAFETY: the context is open; the brush is freed after its use.
        Draw::Fill(place, fill) => unsafe {
            let place = rect(place);
            let brush = CreateSolidBrush(colour(fill));
            FillRect(on, &raw const place, brush);
            DeleteObject(brush);
        },
        Draw::Line(points, thick, line) => {
            let points: Vec<POINT> = points.iter().map(|&(x, y)| POINT { x, y }).collect();
            // SAFETY: the context is open, and as many points are there as it says; the pen is freed when it is no
            // longer selected.
            unsafe {
                let pen = CreatePen(PS_SOLID, thick, colour(line));
                let before = SelectObject(on, pen);
                Polyline(on, points.as_ptr(), points.len() as i32);
                SelectObject(on, before);
                DeleteObject(pen);
            }
        }
        Draw::Text { place, text, font, colour: ink, align, fit } => {
            let mut text: Vec<u16> = text.encode_utf16().collect();
            let align = match align {
                Align::Left => DT_LEFT,
                Align::Centre => DT_CENTER,
                Align::Right => DT_RIGHT,
            };
            let fit = match fit {
                Fit::End => DT_SINGLELINE | DT_VCENTER | DT_END_ELLIPSIS,
                Fit::Path => DT_SINGLELINE | DT_VCENTER | DT_PATH_ELLIPSIS | DT_END_ELLIPSIS,
                Fit::Wrap => DT_WORDBREAK,
            };
            let which = FONTS.iter().position(|one| *one == font).and_then(|number| fonts.get(number));
            let mut place = rect(place);
            // SAFETY: the context is open, and the text as long as it says; without DT_MODIFYSTRING it is not written
            // to. A null font is refused, and the one before stays.
            unsafe {
                SelectObject(on, which.copied().unwrap_or(ptr::null_mut()));
                SetTextColor(on, colour(ink));
                DrawTextW(
                    on,
                    text.as_mut_ptr(),
                    text.len() as i32,
                    &raw mut place,
                    align | fit | DT_NOPREFIX,
                );
            }
        }
    }
}
