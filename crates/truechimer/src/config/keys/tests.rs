use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A secret that must not be seen anywhere.
const SECRET: &str = "hunter2";

#[test]
fn lines_of_chronyd_are_read() {
    let text = "\n# comment\n! comment\n;comment\n % comment\n\
                7 AES128 HEX:2b7E151628AED2A6ABF7158809CF4F3C\n\
                \t 8   SHA1\tASCII:correct#horse \r\n\
                9 hunter2\n\
                4294967295 sha256 HEX:00\n";
    assert_eq!(ids(text), Ok(vec![7, 8, 9, u32::MAX]));
    assert!(is_key(text, 7, KeyKind::Aes128, &hex("2b7e151628aed2a6abf7158809cf4f3c")));
    assert!(is_key(text, 8, KeyKind::Sha1, b"correct#horse"));
    assert!(is_key(text, 9, KeyKind::Md5, b"hunter2"));
    assert!(is_key(text, u32::MAX, KeyKind::Sha256, &[0]));
}

#[test]
fn lines_of_ntpd_are_read() {
    let text = "1 M >bu@3#x\n";
    assert_eq!(
        ids(text),
        Err("1: has a # in its secret, where ntpd ends it and chronyd does not".to_owned())
    );
    let text = "1 M 0123456789abcdef0123 # twenty characters are text\n\
                2 SHA-1 2b7e151628aed2a6abf7158809cf4f3c01234567  #comment\n\
                3 AES 2b7e151628aed2a6abf7158809cf4f3c\n\
                4 AES128CMAC sixteen.letters.\n\
                5 AES-256 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    assert!(is_key(text, 1, KeyKind::Md5, b"0123456789abcdef0123"));
    assert!(is_key(text, 2, KeyKind::Sha1, &hex("2b7e151628aed2a6abf7158809cf4f3c01234567")));
    assert!(is_key(text, 3, KeyKind::Aes128, &hex("2b7e151628aed2a6abf7158809cf4f3c")));
    assert!(is_key(text, 4, KeyKind::Aes128, b"sixteen.letters."));
    assert!(is_key(text, 5, KeyKind::Aes256, &(0..32).collect::<Vec<u8>>()));
}

#[test]
fn every_type_is_known_by_all_its_names() {
    for (name, kind) in TYPES {
        assert_eq!(kind_named(name.to_lowercase().as_bytes()), Some(*kind));
        assert_eq!(kind_named(name_of(*kind).as_bytes()), Some(*kind));
    }
    for name in ["", "SHA", "SHA512", "AES192", "MD55"] {
        assert_eq!(kind_named(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn a_line_that_is_no_key_says_where_and_why_and_not_what() {
    let cases = [
        ("7", "has no secret: a key is ID TYPE SECRET"),
        ("7 SHA1", "has no secret: a key is ID TYPE SECRET"),
        ("hunter2 SHA1 hunter2", "does not begin with an id of 1 to 4294967295"),
        ("+7 SHA1 hunter2", "does not begin with an id of 1 to 4294967295"),
        ("4294967296 SHA1 hunter2", "does not begin with an id of 1 to 4294967295"),
        ("0 SHA1 hunter2", "cannot use this key: its id is 0, which means no key at all"),
        ("7 hunter2 SHA1", "its second word is none of the types AES128, AES256, SHA256, SHA1, MD5"),
        ("7 SHA1 hunter2 10.0.0.1", "has more words than ID TYPE SECRET"),
        ("7 SHA1 HEX:hunter2", "has something else than pairs of hexadecimal digits behind HEX:"),
        ("7 SHA1 HEX:0", "has something else than pairs of hexadecimal digits behind HEX:"),
        (
            "7 SHA1 hunter2hunter2hunter2",
            "has a secret of more than 20 characters that are not pairs of hexadecimal digits",
        ),
        ("7 SHA1 #hunter2", "has a # in its secret, where ntpd ends it and chronyd does not"),
        ("7 SHA1 ASCII:", "cannot use this key: its secret has 0 bytes instead of 1 to 256"),
        ("7 AES128 hunter2", "cannot use this key: its secret has 7 bytes instead of 16"),
    ];
    for (line, why) in cases {
        assert_eq!(ids(&format!("# {SECRET}\n{line}\n")), Err(format!("2: {why}")), "{line}");
    }
    assert_eq!(ids("7 M a\n8 M b\n\n7 M c\n"), Err("4: key 7 is there a second time".to_owned()));
}

#[test]
fn there_are_at_most_so_many_keys() {
    let line = |id: usize| format!("{id} MD5 {SECRET}\n");
    let full: String = (1..=KEYS_MAX).map(line).collect();
    assert_eq!(ids(&full).map(|ids| ids.len()), Ok(KEYS_MAX));
    let more = full + &line(KEYS_MAX + 1);
    assert_eq!(ids(&more), Err(format!("{}: has more than {KEYS_MAX} keys", KEYS_MAX + 1)));
}

#[test]
fn bad_input_126_a_file_that_others_may_read_or_write_is_refused() {
    for mode in [0o604, 0o602, 0o640, 0o620, 0o644, 0o666, 0o610] {
        let file = KeysFile::new(&format!("7 MD5 {SECRET}\n"), mode);
        let why = file.load("").unwrap_err();
        assert!(
            why.starts_with(&format!("FILE: is open to others than its owner (mode {mode:04o})\n")),
            "{why}"
        );
        assert!(why.contains("chmod 600 FILE"), "{why}");
    }
    for mode in [0o600, 0o400, 0o700] {
        assert!(KeysFile::new("7 MD5 hunter2\n", mode).load("").is_ok(), "{mode:o}");
    }
}

#[test]
fn a_file_of_somebody_elses_is_refused() {
    let file = KeysFile::new("7 MD5 hunter2\n", 0o600);
    // Only root can give files away.
    if user::effective_uid() == 0 {
        chown(&file.path, Some(65_533), None).unwrap();
        let why = file.load("").unwrap_err();
        assert!(
            why.starts_with("FILE: belongs to user 65533, neither to root nor to truechimer nor to us\n"),
            "{why}"
        );
        // The account that the daemon becomes may have it.
        let nobody = user::lookup("nobody").unwrap().expect("every system has one");
        chown(&file.path, Some(nobody.uid), None).unwrap();
        assert!(file.load("user = \"nobody\"\n").is_ok());
    }
}

#[test]
fn bad_input_123_links_and_what_is_no_file_are_refused() {
    let file = KeysFile::new("7 MD5 hunter2\n", 0o600);
    let link = file.folder.path().join("link");
    symlink(&file.path, &link).unwrap();
    for path in [link.as_path(), file.folder.path(), Path::new("/dev/zero")] {
        let why = KeysFile::load_from(path, "").unwrap_err();
        assert!(why.starts_with("FILE: is not a regular file\n"), "{}: {why}", path.display());
    }
    let absent = KeysFile::load_from(&file.folder.path().join("absent"), "").unwrap_err();
    assert!(absent.starts_with("FILE: cannot be read: "), "{absent}");
}

#[test]
fn a_huge_file_is_not_read() {
    let file = KeysFile::new("", 0o600);
    fs::File::options().write(true).open(&file.path).unwrap().set_len(100 << 30).unwrap();
    assert_eq!(file.load("").unwrap_err(), "FILE: is larger than 1048576 bytes");
}

#[test]
fn a_key_that_is_named_and_is_not_there_is_missed() {
    let file = KeysFile::new("7 MD5 hunter2\n", 0o600);
    let source = "[[source]]\naddress = \"a.example\"\nkey = 8\n";
    assert_eq!(file.load(source).unwrap_err(), "FILE: has no key 8, which the source \"a.example\" names");
    let served = "[serve]\nntp = [\"127.0.0.1:123\"]\n[[serve.key]]\nid = 9\nallow = [\"::1\"]\n";
    assert_eq!(file.load(served).unwrap_err(), "FILE: has no key 9, which [[serve.key]] names");
}

#[test]
fn broken_kinds_are_told_of_where_they_are_used() {
    let file = KeysFile::new("7 MD5 hunter2\n8 SHA1 hunter2\n9 SHA256 hunter2\n10 M unused\n", 0o600);
    let sources = |ids: &[u32]| -> String {
        ids.iter().map(|id| format!("[[source]]\naddress = \"{id}.example\"\nkey = {id}\n")).collect()
    };
    let config = |ids: &[u32]| file.config(&sources(ids));
    let warning = |ids: &[u32]| Keys::load(&config(ids)).unwrap().warning(&config(ids));
    assert_eq!(warning(&[9]), None);
    let told = warning(&[8, 9, 7]).unwrap();
    assert!(told.starts_with("keys for old peers only, MD5 or SHA-1: 7, 8; "), "{told}");
}

#[test]
fn no_secret_is_ever_shown() {
    let file = KeysFile::new(&format!("7 MD5 {SECRET}\n"), 0o600);
    let config = file.config("[[source]]\naddress = \"a.example\"\nkey = 7\n");
    let keys = Keys::load(&config).unwrap();
    let shown = format!("{keys:?} {config:?} {} {:?}", config.to_toml(), config.policy(&keys));
    assert!(!shown.contains(SECRET) && shown.contains("MD5") | shown.contains("Md5"), "{shown}");
    // As Rust shows bytes.
    assert!(!shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn sources_and_clients_get_their_keys() {
    let file = KeysFile::new("7 MD5 hunter2\n8 SHA1 hunter2\n", 0o600);
    let text = "[[source]]\naddress = \"a.example\"\nkey = 7\n[[source]]\naddress = \"b.example\"\n\
                [serve]\nntp = [\"127.0.0.1:123\"]\n[[serve.key]]\nid = 8\nallow = [\"10.0.0.0/8\"]\n";
    let config = file.config(text);
    let keys = Keys::load(&config).unwrap();
    let policy = config.policy(&keys);
    let asked: Vec<Option<u32>> =
        policy.sources.iter().map(|source| source.key.as_ref().map(|key| key.id())).collect();
    assert_eq!(asked, [Some(7), None]);
    let ring = format!("{:?}", keys.ring(&config.serve.unwrap().keys));
    assert!(ring.contains("id: 8") && !ring.contains("id: 7"), "{ring}");
}

proptest! {
    #[test]
    fn any_bytes_are_keys_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "([0-9]{1,3}|MD5|AES| |\n|#|HEX:|[a-f0-9]{0,40}){0,20}") {
        let _ = Keys::parse(&bytes);
        let _ = Keys::parse(text.as_bytes());
    }
}

/// The ids in a text, or its first fault with its line.
fn ids(text: &str) -> Result<Vec<u32>, String> {
    match Keys::parse(text.as_bytes()) {
        Ok(keys) => Ok(keys.keys.into_keys().collect()),
        Err((line, fault)) => {
            assert!(!fault.to_string().contains(SECRET) && !format!("{fault:?}").contains(SECRET));
            Err(format!("{line}: {fault}"))
        }
    }
}

/// Whether the key of this id is of this type and has this secret.
fn is_key(text: &str, id: u32, kind: KeyKind, secret: &[u8]) -> bool {
    let keys = Keys::parse(text.as_bytes()).unwrap();
    let known = Key::new(id, kind, secret.to_vec()).unwrap();
    let found = keys.key(KeyId::new(id).unwrap()).unwrap();
    found.kind() == kind && found.seal(&[0; 48]) == known.seal(&[0; 48])
}

fn hex(digits: &str) -> Vec<u8> {
    from_hex(digits.as_bytes()).unwrap()
}

/// A file of keys in a folder of its own.
struct KeysFile {
    folder: TempDir,
    path: PathBuf,
}

impl KeysFile {
    fn new(text: &str, mode: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Self { folder, path }
    }

    fn config(&self, rest: &str) -> Config {
        Self::config_for(&self.path, rest)
    }

    /// Loads the keys by a configuration that says something else as well.
    fn load(&self, rest: &str) -> Result<Keys, String> {
        Self::load_from(&self.path, rest)
    }

    fn load_from(path: &Path, rest: &str) -> Result<Keys, String> {
        let shown = |error: KeysError| error.to_string().replace(&path.display().to_string(), "FILE");
        Keys::load(&Self::config_for(path, rest)).map_err(shown)
    }

    fn config_for(path: &Path, rest: &str) -> Config {
        Config::parse("t", &format!("keys.file = {path:?}\n{rest}")).unwrap()
    }
}
