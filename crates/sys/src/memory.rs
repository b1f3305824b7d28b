//! Giving memory back that only the start has needed.

use std::ffi::c_void;

use libc::{c_int, dl_phdr_info, size_t};

/// Lets go of the program's code and constants, and of its libraries': what is needed again comes back by itself, page by page,
/// from the kernel's cache of the files. What is left of the start in the process's books is gone then.
///
/// Nothing that could have been written to is touched.
pub fn let_go_of_code() {
    // SAFETY: the callback only looks at what it is handed, for as long as it is called.
    unsafe { libc::dl_iterate_phdr(Some(let_go_of_object), std::ptr::null_mut()) };
}

unsafe extern "C" fn let_go_of_object(object: *mut dl_phdr_info, _size: size_t, _data: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) hands over a valid object with as many headers as it says.
    let (base, headers) = unsafe {
        let object = &*object;
        if object.dlpi_phdr.is_null() {
            return 0;
        }
        (object.dlpi_addr as usize, std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    let only_read = headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0);
    for header in only_read {
        let begin = (base + header.p_vaddr as usize) & !(PAGE - 1);
        let end = base + header.p_vaddr as usize + header.p_memsz as usize;
        // SAFETY: the segment is mapped privately from a file and never writable, so what comes back is what was there. Where
        // the kernel refuses (its own object has no file), all stays as it is.
        unsafe { libc::madvise(begin as *mut c_void, end - begin, libc::MADV_DONTNEED) };
    }
    0
}

/// Segments begin at pages; where pages are larger than this, the kernel refuses what does not.
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).expect("the kernel says so");
        line.trim().trim_end_matches(" kB").parse().expect("kilobytes")
    }

    #[test]
    fn the_program_goes_on_with_fewer_pages() {
        let before = resident();
        let_go_of_code();
        let after = resident();
        assert!(after < before, "{before} kB, then {after} kB");
        assert_eq!("constants".len() + format!("{}", 1.5).len(), 12, "all is still there");
    }
}
