//! Internet addresses as the kernel's `sockaddr`, and back.

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

/// An address in the form that the kernel reads and writes.
pub(crate) struct Address {
    storage: sockaddr_storage,
    len: socklen_t,
}

impl Address {
    /// Room for any address, holding none.
    pub(crate) fn blank() -> Self {
        // SAFETY: sockaddr_storage is plain integers, for which all zeros is a value (AF_UNSPEC).
        let storage = unsafe { mem::zeroed() };
        Self { storage, len: mem::size_of::<sockaddr_storage>() as socklen_t }
    }

    /// `AF_INET` or `AF_INET6`.
    pub(crate) fn family(&self) -> c_int {
        c_int::from(self.storage.ss_family)
    }

    /// For the kernel to read, or to write over.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut sockaddr {
        (&raw mut self.storage).cast()
    }

    /// For the kernel to read.
    pub(crate) fn as_ptr(&self) -> *const sockaddr {
        (&raw const self.storage).cast()
    }

    /// How many bytes of it count.
    pub(crate) fn len(&self) -> socklen_t {
        self.len
    }

    /// Where the kernel says how much it wrote.
    pub(crate) fn set_len(&mut self, len: socklen_t) {
        self.len = len.min(mem::size_of::<sockaddr_storage>() as socklen_t);
    }

    /// The address, unless it is of another kind or too short for its kind.
    pub(crate) fn to_std(&self) -> Option<SocketAddr> {
        match self.family() {
            libc::AF_INET if self.holds::<sockaddr_in>() => Some(self.v4().into()),
            libc::AF_INET6 if self.holds::<sockaddr_in6>() => Some(self.v6().into()),
            _other_family => None,
        }
    }

    fn holds<T>(&self) -> bool {
        self.len as usize >= mem::size_of::<T>()
    }

    fn v4(&self) -> SocketAddrV4 {
        // SAFETY: storage is larger than sockaddr_in, as aligned, and any bytes are a sockaddr_in.
        let v4: &sockaddr_in = unsafe { &*self.as_ptr().cast() };
        SocketAddrV4::new(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()), u16::from_be(v4.sin_port))
    }

    fn v6(&self) -> SocketAddrV6 {
        // SAFETY: storage is larger than sockaddr_in6, as aligned, and any bytes are a sockaddr_in6.
        let v6: &sockaddr_in6 = unsafe { &*self.as_ptr().cast() };
        let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
        SocketAddrV6::new(address, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut blank = Self::blank();
        match address {
            SocketAddr::V4(v4) => {
                blank.set_len(mem::size_of::<sockaddr_in>() as socklen_t);
                // SAFETY: storage is larger than sockaddr_in and as aligned.
                unsafe { blank.as_mut_ptr().cast::<sockaddr_in>().write(kernel_v4(v4)) };
            }
            SocketAddr::V6(v6) => {
                blank.set_len(mem::size_of::<sockaddr_in6>() as socklen_t);
                // SAFETY: storage is larger than sockaddr_in6 and as aligned.
                unsafe { blank.as_mut_ptr().cast::<sockaddr_in6>().write(kernel_v6(v6)) };
            }
        }
        blank
    }
}

fn kernel_v4(v4: SocketAddrV4) -> sockaddr_in {
    sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: v4.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
        sin_zero: [0; 8],
    }
}

fn kernel_v6(v6: SocketAddrV6) -> sockaddr_in6 {
    sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: v6.port().to_be(),
        sin6_flowinfo: v6.flowinfo(),
        sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
        sin6_scope_id: v6.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn v4_addresses_survive_the_kernels_form(ip in any::<[u8; 4]>(), port in any::<u16>()) {
            let address = SocketAddr::from((ip, port));
            prop_assert_eq!(Address::from(address).to_std(), Some(address));
        }

        #[test]
        fn v6_addresses_survive_the_kernels_form(
            ip in any::<[u8; 16]>(), port in any::<u16>(), flow in any::<u32>(), scope in any::<u32>()
        ) {
            let address = SocketAddr::from(SocketAddrV6::new(ip.into(), port, flow, scope));
            prop_assert_eq!(Address::from(address).to_std(), Some(address));
        }
    }

    #[test]
    fn what_the_kernel_did_not_write_is_no_address() {
        assert_eq!(Address::blank().to_std(), None);
        let mut short = Address::from(SocketAddr::from(([127, 0, 0, 1], 123)));
        short.set_len(8);
        assert_eq!(short.to_std(), None);
    }
}
