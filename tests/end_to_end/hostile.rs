//! Hostile device files: the real binary refuses each with a clear error, soon, and in little memory.

use crate::support::Place;
use std::{
    fs::{self, File},
    process::{Child, Stdio},
    time::Duration,
};

/// Processor time, seconds. What these tests run is often built with little optimisation.
const MOST_TIME: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };
/// How often it is measured at most: the least counts, since others use the machine as well.
const ATTEMPTS: usize = 4;
/// Resident memory at its largest, KiB.
const MOST_MEMORY: u64 = 200 << 10;

/// What a process took.
#[derive(Debug, Default)]
struct Spent {
    time: f64,
    memory: u64,
}

/// Watches a process until its end. Its peak is read every millisecond and does not fall; its time stays readable until it is
/// waited for. (Linux: proc(5).)
fn watch(child: &Child) -> Spent {
    let mut spent = Spent::default();
    loop {
        let read = |name| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
        if let Some((_, peak)) = read("status").split_once("VmHWM:") {
            spent.memory = peak.split_whitespace().next().unwrap().parse().unwrap();
        }
        let stat = read("stat");
        // after the name of the program, which may hold anything: state, .., user and system time as fields 12 and 13
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        spent.time = ticks / 100.0;
        if fields[0] == "Z" {
            return spent;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `check` ends with exit code 2 and all of `words`, in time.
fn refused(name: &str, contents: impl AsRef<[u8]>, words: &[&str]) {
    refused_by("check", name, contents, words);
}

fn refused_by(command: &str, name: &str, contents: impl AsRef<[u8]>, words: &[&str]) {
    let place = Place::new();
    place.write("device.ddl.yml", contents);
    for attempt in 1..=ATTEMPTS {
        let spent = refused_once(&place, command, name, words);
        assert!(spent.memory < MOST_MEMORY, "{name}: {spent:?}");
        if spent.time < MOST_TIME {
            return;
        }
        assert!(attempt < ATTEMPTS, "{name}: {spent:?}");
    }
}

fn refused_once(place: &Place, command: &str, name: &str, words: &[&str]) -> Spent {
    let mut command = place.command(&format!("{command} device.ddl.yml"));
    let mut child = command.stdout(Stdio::null()).stderr(File::create(place.path("said")).unwrap()).spawn().unwrap();
    let spent = watch(&child);
    let code = child.wait().unwrap().code();
    let said = place.read("said");
    let start: String = said.chars().take(2000).collect();
    assert_eq!(code, Some(2), "{name}: {start}");
    assert!(said.contains("error") && !said.contains("thread 'main'"), "{name}: {start}");
    for word in words {
        assert!(said.contains(word), "{name}: no `{word}` in {start}");
    }
    assert!(said.len() < 200_000, "{name}: {} bytes are said", said.len());
    spent
}

fn many(n: usize, one: impl Fn(usize) -> String) -> String {
    (0..n).map(one).collect()
}

/// A device of these instances.
fn device(instances: &str) -> String {
    format!("ddl: 1\ninstances: {{{instances}}}\nports: {{in0: 'a<0.0>,in0'}}\nreadout: {{mode: intensity}}\n")
}

#[test]
fn five_megabytes() {
    let line = |k: usize| format!("  w{k}: {{component: strait, settings: {{length: {}.5, neff: 2.4}}}}\n", k % 97);
    refused(
        "instances",
        format!("ddl: 1\ninstances:\n{}", many(75_000, line)),
        &["strait", "did you mean `straight`?"],
    );
    refused(
        "short instances",
        format!("ddl: 1\ninstances:\n{}", many(300_000, |k| format!("  a{k}: phase\n"))),
        &["262144"],
    );
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let bytes: Vec<u8> = (0..5_000_000).map(|_| random()).collect();
    refused("bytes", &bytes, &["is not UTF-8 text"]);
    let text: Vec<u8> = bytes.iter().map(|byte| 32 + byte % 95).collect();
    refused("garbage", &text, &["device.ddl.yml"]);
    let signs = b"abc: -[]{}&*!|>\"'#%,\n\n  ";
    let text: Vec<u8> = bytes.iter().map(|byte| signs[usize::from(*byte) % signs.len()]).collect();
    refused("signs", &text, &["not YAML"]);
    refused("one key", "x".repeat(5_000_000) + ": 1\n", &["device.ddl.yml:1:"]);
    refused("keys", format!("ddl: 1\n{}", many(250_000, |k| format!("key{k}: 1\n"))), &["unknown key `key0`"]);
}

#[test]
fn nesting() {
    for text in ["[", "{a: ", "- ", "? ", "a: &a [*a, "] {
        refused(text, text.repeat(100_000), &["error["]);
    }
    let copies = |sign: &str, next: fn(usize) -> String| {
        let first = format!("a0: &a0 {sign}\n");
        many(40, |k| format!("a{}: &a{} {}\n", k + 1, k + 1, next(k))).replacen("a1:", &format!("{first}a1:"), 1)
    };
    let laughs = copies("[x, x]", |k| format!("[{}]", vec![format!("*a{k}"); 10].join(", ")));
    refused("billion laughs", laughs, &["copies of values"]);
    let merges = copies("{x: 1}", |k| format!("{{<<: [*a{k}, *a{k}]}}"));
    refused("merge keys", merges, &["copies of values"]);
    for (open, close) in [("(", ")"), ("-", ""), ("sqrt(", ")"), ("1+", "1"), ("2^", "2")] {
        let expression = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        let text = device(&format!("a: {{component: straight, settings: {{length: '${{{expression}}}'}}}}"));
        refused(open, text, &["the expression cannot be evaluated"]);
    }
}

#[test]
fn sizes() {
    let array = |columns: &str| device(&format!("a: {{component: straight, array: {{columns: {columns}, rows: 1}}}}"));
    refused("array", array("1000000000"), &["1000000000 x 1 instances", "262144"]);
    refused("array of 2^64", array("18446744073709551615"), &["262144"]);
    let generator = |name: &str, settings: &str| device(&format!("a: {{component: {name}, settings: {{{settings}}}}}"));
    refused("mesh", generator("mesh", "n: 2000000000"), &["at most 4096"]);
    refused("phases", generator("mesh", "n: 4096"), &["more than 4194304 phases"]);
    refused("tree", generator("splitter_tree", "outputs: 1073741824"), &["at most 4096"]);
    refused("monarch", generator("monarch", "n: 1073741824, block: 32768"), &["at most 4096"]);
    refused("bank", generator("mrr_bank", "rows: 2000000000, columns: 2000000000"), &["too many"]);
    for shape in ["[100000, 100000]", "[4096, 4096]", "[1, 1000000000]", "[18446744073709551615, 4]"] {
        refused(shape, generator("slm", &format!("shape: {shape}, pitch: 8")), &["is too large: at most 4194304"]);
    }
    refused("pad", generator("free_space", "distance: 1000, pad: 4000000000"), &["at most 16"]);
    let level = |k: usize| {
        let inner = if k == 0 { "straight".into() } else { format!("c{}", k - 1) };
        let instances = format!("a: {{component: {inner}, array: {{columns: 10, rows: 1}}}}");
        format!("  c{k}: {{instances: {{{instances}}}, ports: {{in0: 'a<0.0>,in0'}}}}\n")
    };
    let hierarchy = format!("circuits:\n{}", many(12, level));
    refused("10^12 leaves", device("a: c11").replacen("instances", &format!("{hierarchy}instances"), 1), &["262144"]);
}

#[test]
fn much_of_many() {
    let chain = "a: {component: ring_allpass, array: {columns: 20000, rows: 1}}";
    let sweep = |points: &str| format!("environment: {{wl: {{start: 1.5, stop: 1.6, points: {points}}}}}\n");
    refused("sweep", device(chain) + &sweep("1000000000"), &["at most 1000000"]);
    refused_by("simulate", "sweep of all", device(chain) + &sweep("1000000"), &["1000000 wavelengths"]);
    let rules = many(100_000, |_| "  - {at: '**', loss_dB: 1}\n".into());
    refused("rules", device(chain) + "nonideal:\n" + &rules, &["compared with more than"]);
    let keys = many(100_000, |k| format!("k{k}: 1, "));
    refused("quantities", device(chain) + &format!("nonideal: [{{at: a, {keys}}}]\n"), &["at most 256"]);
}
