use super::*;
use crate::scratch::Scratch;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicBool;

fn filled_with(word: u64) -> [u64; WORDS] {
    [word; WORDS]
}

fn reason(result: Result<impl fmt::Debug, PageError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    let mut writer = PageWriter::publish(&path).unwrap();
    let reader = PageReader::open(&path).unwrap();
    for round in 1..100 {
        let words = std::array::from_fn(|i| round * 1000 + i as u64);
        writer.write(&words);
        assert_eq!(reader.read().unwrap(), words);
    }
    assert_eq!(reader.owner(), effective_uid());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(scratch.names(), ["page"]);
}

#[test]
fn the_words_lie_where_the_picture_says() {
    assert_eq!(size_of::<Words>(), PAGE_BYTES);
    let scratch = Scratch::new();
    let path = scratch.file("page");
    PageWriter::publish(&path).unwrap().write(&filled_with(7));
    let bytes = fs::read(&path).unwrap();
    let words: Vec<_> = bytes.chunks(8).map(|c| u64::from_ne_bytes(c.try_into().unwrap())).collect();
    assert_eq!(words[..4], [MAGIC, 1, PAGE_BYTES as u64, 2]);
    assert_eq!(words[4..], filled_with(7));
}

#[test]
fn a_page_that_was_never_written_is_empty_and_not_zero() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    let _writer = PageWriter::publish(&path).unwrap();
    assert!(matches!(PageReader::open(&path).unwrap().read(), Err(PageError::Empty)));
}

#[test]
fn readers_never_see_words_of_two_writes() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    let mut writer = PageWriter::publish(&path).unwrap();
    writer.write(&filled_with(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_until(&path, &done))).collect();
        for round in 1..300_000 {
            writer.write(&filled_with(round));
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}

/// Reads until told to stop; what it reads is whole and never goes back. Returns how often it read.
fn read_until(path: &Path, done: &AtomicBool) -> usize {
    let reader = PageReader::open(path).unwrap();
    let (mut last, mut count) = (0, 0);
    while !done.load(Ordering::Relaxed) || count == 0 {
        let Ok(words) = reader.read() else { continue };
        assert_eq!(words, filled_with(words[0]));
        assert!(words[0] >= last);
        (last, count) = (words[0], count + 1);
    }
    count
}

#[test]
fn a_writer_that_loses_its_processor_in_the_middle_is_waited_for() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    let mut writer = PageWriter::publish(&path).unwrap();
    writer.write(&filled_with(1));
    let reader = PageReader::open(&path).unwrap();
    let generation = &writer.page.words().generation;
    generation.fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            generation.fetch_add(1, Ordering::Release);
        });
        assert_eq!(reader.read().unwrap(), filled_with(1));
    });
}

/// Bad input 144.
#[test]
fn a_writer_that_dies_in_the_middle_is_an_error_and_soon() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    let mut writer = PageWriter::publish(&path).unwrap();
    writer.write(&filled_with(1));
    let reader = PageReader::open(&path).unwrap();
    writer.page.words().generation.fetch_add(1, Ordering::Relaxed);
    drop(writer);
    let start = std::time::Instant::now();
    assert!(matches!(reader.read(), Err(PageError::Torn)));
    assert!(start.elapsed() < std::time::Duration::from_secs(2));

    PageWriter::publish(&path).unwrap().write(&filled_with(2));
    assert_eq!(reader.read().unwrap(), filled_with(2));
    assert_eq!(reader.page.words().generation.load(Ordering::Relaxed), 4);
}

#[test]
fn readers_go_on_across_a_restart_of_the_writer() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    PageWriter::publish(&path).unwrap().write(&filled_with(1));
    let reader = PageReader::open(&path).unwrap();
    let mut restarted = PageWriter::publish(&path).unwrap();
    assert_eq!(reader.read().unwrap(), filled_with(1));
    restarted.write(&filled_with(2));
    assert_eq!(reader.read().unwrap(), filled_with(2));
}

#[test]
fn a_page_that_others_can_write_is_replaced() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    PageWriter::publish(&path).unwrap().write(&filled_with(1));
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let reader = PageReader::open(&path).unwrap();
    PageWriter::publish(&path).unwrap().write(&filled_with(2));
    assert_eq!(reader.read().unwrap(), filled_with(1));
    assert_eq!(PageReader::open(&path).unwrap().read().unwrap(), filled_with(2));
}

#[test]
fn what_is_no_page_is_refused_by_readers_and_replaced_by_writers() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    for content in [vec![], vec![0; PAGE_BYTES], vec![0; PAGE_BYTES - 1], vec![0xff; 4096]] {
        fs::write(&path, &content).unwrap();
        assert_eq!(reason(PageReader::open(&path)), "not a page of this layout");
        PageWriter::publish(&path).unwrap().write(&filled_with(9));
        assert_eq!(PageReader::open(&path).unwrap().read().unwrap(), filled_with(9));
    }
}

#[test]
fn a_page_of_another_layout_is_not_read() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    let writer = PageWriter::publish(&path).unwrap();
    writer.page.words().layout.store(LAYOUT + 1, Ordering::Relaxed);
    assert!(matches!(PageReader::open(&path), Err(PageError::NotAPage)));
}

/// Bad inputs 122 and 123.
#[test]
fn a_link_is_neither_read_nor_written_through() {
    let scratch = Scratch::new();
    let (precious, path) = (scratch.file("precious"), scratch.file("page"));
    fs::write(&precious, [1; PAGE_BYTES]).unwrap();
    symlink(&precious, &path).unwrap();
    assert!(matches!(PageReader::open(&path), Err(PageError::File(_))));
    PageWriter::publish(&path).unwrap().write(&filled_with(3));
    assert_eq!(fs::read(&precious).unwrap(), [1; PAGE_BYTES]);
    assert_eq!(PageReader::open(&path).unwrap().read().unwrap(), filled_with(3));
}

#[test]
fn a_page_that_cannot_be_made_is_an_error() {
    let scratch = Scratch::new();
    assert!(matches!(PageWriter::publish(&scratch.file("no/page")), Err(PageError::File(_))));
    assert!(matches!(PageReader::open(&scratch.file("none")), Err(PageError::File(_))));
    fs::create_dir(scratch.file("folder")).unwrap();
    assert!(PageWriter::publish(&scratch.file("folder")).is_err());
    assert_eq!(scratch.names(), ["folder"]);
}

#[test]
fn a_page_is_relied_upon_if_nobody_else_can_change_it() {
    let scratch = Scratch::new();
    let (folder, path) = (scratch.file("run"), scratch.file("run/page"));
    fs::create_dir(&folder).unwrap();
    PageWriter::publish(&path).unwrap().write(&filled_with(1));
    let open = |owner| PageReader::open_guarded(&path, owner).map(|page| page.read().unwrap());
    let chmod = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let us = effective_uid();
    assert_eq!(open(None).unwrap(), filled_with(1));
    assert_eq!(open(Some(us)).unwrap(), filled_with(1));
    assert!(matches!(open(Some(us + 1)), Err(PageError::Foreign(uid)) if uid == us));
    for (mode, is_guarded) in [(0o777, false), (0o775, false), (0o1777, true), (0o755, true)] {
        chmod(&folder, mode);
        assert_eq!(open(None).is_ok(), is_guarded, "{mode:o}");
    }
    chmod(&path, 0o664);
    assert!(matches!(open(None), Err(PageError::Unguarded)));
}

#[test]
fn a_reader_knows_whether_its_file_was_replaced() {
    let scratch = Scratch::new();
    let path = scratch.file("page");
    PageWriter::publish(&path).unwrap().write(&filled_with(1));
    let reader = PageReader::open(&path).unwrap();
    assert!(reader.is_at(&path));
    fs::rename(&path, scratch.file("old")).unwrap();
    assert!(!reader.is_at(&path));
    PageWriter::publish(&path).unwrap().write(&filled_with(2));
    assert!(!reader.is_at(&path));
}
