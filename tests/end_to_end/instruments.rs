//! Instruments: a described device served over a line protocol, driven by a driver in C that a compiler has just made.

use crate::support::{Finished, Place, ROOT, Run, copy, experiment, family};
use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// True if there is a compiler; said loudly if there is none.
pub fn compiler(command: &str) -> bool {
    let there = Command::new(command).arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // Not by a macro, whose output would be captured.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs a compiler, `{command}` is none");
    }
    there
}

/// Runs a command, which must succeed.
pub fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// The driver, built into the folder of the test and made known there.
fn driver(place: &Place) -> PathBuf {
    let library = place.path("libscpi.so");
    let source = Path::new(ROOT).join("plugins/devices/scpi-c/src");
    let mut command = Command::new("cc");
    command.args(["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-fvisibility=hidden"]);
    command.args(["-shared", "-pthread", "-I"]).arg(Path::new(ROOT).join("include"));
    command
        .args(["device.c", "describe.c", "instrument.c", "line.c"].map(|file| source.join(file)))
        .arg("-o")
        .arg(&library);
    succeeds(&mut command);
    place.run("plugin add libscpi.so").done();
    library
}

/// A served instrument, ended with the test.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Serves `device.ddl.yml` of the folder with the seed that `seeded` has.
    fn start(place: &Place, arguments: &str) -> Self {
        let line = format!("serve-device device.ddl.yml --seed 7 {arguments}");
        let mut child = place.command(&line).stdin(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let Some((_, address)) = said.trim().split_once(" on ") else {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("{line}: {said}{why}");
        };
        Served { address: address.to_owned(), child }
    }

    fn on_a_free_port(place: &Place, arguments: &str) -> Self {
        Self::start(place, &format!("--listen 127.0.0.1:0 {arguments}"))
    }

    fn setting(&self) -> String {
        format!("tcp:{}", self.address)
    }

    /// Asks one query over a connection of its own.
    fn ask(&self, query: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(format!("{query}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shipped mesh, made small, with a preset.
fn device(place: &Place, preset: &str) {
    let text = std::fs::read_to_string(Path::new(ROOT).join("devices/mzi_mesh.ddl.yml")).unwrap();
    let small = text.replace("n: 64 ", "n: 8 ").replace("preset: typical ", &format!("preset: {preset} "));
    assert!(small != text);
    place.write("device.ddl.yml", small);
}

/// The experiment on a source, with the hardware that the served instrument is.
fn on(source: &str) -> String {
    let text = experiment(source).replace("train: 256, test: 64", "train: 64, test: 32");
    let text = text.replace("steps: 20", "steps: 8").replace("surrogate_error_every: 5", "surrogate_error_every: 4");
    text.replace("  dev:\n", "  dev:\n    seed: 7\n")
}

fn through(served: &str, more: &str) -> String {
    on(&format!("plugin: scpi, library: libscpi.so, settings: {{device: \"{served}\"{more}}}"))
}

/// Trains on the simulator directly.
fn reference(place: &Place) -> Run {
    place.write("experiment.yaml", on("file: device.ddl.yml"));
    place.train("reference", "")
}

/// The same results and the same logical costs. (The physical column is the driver's: the simulator takes several
/// configurations in a call.)
fn same(run: &Run, reference: &Run) {
    run.equals(reference);
}

#[test]
fn training_through_the_driver_gives_the_same_bits() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place);
    device(&place, "typical");
    let direct = reference(&place);
    for (name, arguments, more) in [
        ("blocks", "", ""),
        ("writing", "--threads 2", ", ascii: true"),
        ("split", "", ""),
        ("late", "--latency 0.0001", ""),
    ] {
        let served = Served::on_a_free_port(&place, arguments);
        place.write("experiment.yaml", through(&served.setting(), more));
        let split = if name == "split" { "--set devices.dev.max_batch=5" } else { "" };
        same(&place.train(name, split), &direct);
        assert_eq!(served.ask("SYST:SAFE?"), "1", "{name}: it is left in its safe state");
        assert_eq!(place.finished(name).physical_total(), direct.physical_total(), "{name}");
    }
}

/// What can be mended is mended, and costs in the physical column only.
#[test]
fn faults_of_the_instrument_do_not_change_the_result() {
    if !compiler("cc") {
        return;
    }
    recovers(
        "typical",
        &[
            ("busy", "busy/3", ""),
            ("drop", "drop@40", ""),
            ("drop-write", "drop:write@9", ""),
            ("hang", "hang:query@31", ", timeout_s: 0.5"),
            ("hang-write", "hang:write@12", ", timeout_s: 0.5"),
            ("slip", "slip/17", ""),
        ],
    );
    // Actuators that lag remember earlier configurations, which power takes with it: this one has none.
    recovers("", &[("power-loss", "power-loss:query@25", ""), ("power-loss-write", "power-loss:write@25", "")]);
}

/// A mesh whose phases are at once what they are set to.
const WITHOUT_LAG: &str = "ddl: 1
instances: {U: {component: mesh, settings: {n: 8}}}
encoding: {mode: amplitude}
readout: {mode: coherent_real, noise_std: 0.01}
timing: {write_fixed: 1.0e-6, frame: 1.0e-6}
";

/// Trains with each (name, fault, settings) as without any; without a preset on a device that does not lag.
fn recovers(preset: &str, faults: &[(&str, &str, &str)]) {
    let place = Place::new();
    driver(&place);
    if preset.is_empty() {
        place.write("device.ddl.yml", WITHOUT_LAG);
    } else {
        device(&place, preset);
    }
    let direct = reference(&place);
    for (name, fault, settings) in faults.iter().copied() {
        let served = Served::on_a_free_port(&place, &format!("--fault {fault}"));
        place.write("experiment.yaml", through(&served.setting(), settings));
        let finished = place.run(&format!("train experiment.yaml --out {name} --quiet")).done();
        let run = place.finished(name);
        same(&run, &direct);
        assert_eq!(served.ask("SYST:SAFE?"), "1", "{name}: it is left in its safe state");
        let (spent, least) = (run.physical_total(), direct.physical_total());
        if name == "busy" {
            // The driver asks again by itself.
            assert_eq!(spent, least, "{}", finished.stderr);
        } else {
            assert!(finished.stderr.contains("trying again"), "{name}: {}", finished.stderr);
            assert!(spent.0 + spent.1 > least.0 + least.1, "{name}: {spent:?} {least:?}");
        }
    }
}

/// What cannot be mended ends the run with what a person can act on.
#[test]
fn faults_that_stay_end_the_run() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place);
    device(&place, "typical");
    let train = |setting: &str, more: &str| {
        place.write("experiment.yaml", through(setting, more));
        place.run("train experiment.yaml --out out --quiet")
    };
    let served = Served::on_a_free_port(&place, "--fault busy/1");
    train(&served.setting(), ", busy_wait_s: 0.05").ends(1, &["device `dev` failed in a write", "BUSY", "202"]);
    let served = Served::on_a_free_port(&place, "--fault slip:query/1");
    let failed: Finished = train(&served.setting(), "");
    failed.ends(1, &["FRAME_SLIP", "expected"]);
    // Nobody there, and nothing of the kind.
    let gone = served.setting();
    drop(served);
    train(&gone, "").ends(1, &["IO", "cannot connect to 127.0.0.1:"]);
    train("gpib:4", "").ends(2, &["neither tcp:HOST:PORT nor serial:PATH"]);
    train("serial:no/such/line", "").ends(1, &["no/such/line"]);
    // Another client has it.
    let served = Served::on_a_free_port(&place, "");
    let mut other = TcpStream::connect(&served.address).unwrap();
    other.write_all(b"SYST:LOCK:REQ?\n").unwrap();
    let mut granted = [0; 2];
    other.read_exact(&mut granted).unwrap();
    assert_eq!(&granted, b"1\n");
    train(&served.setting(), ", timeout_s: 0.3").ends(1, &["IN_USE", "is locked by another client"]);
}

/// What the instrument clamps is told: methods work with what was applied.
#[test]
fn clamping_is_told() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place);
    device(&place, "typical");
    let served = Served::on_a_free_port(&place, "--clamp 1:2");
    place.write("experiment.yaml", through(&served.setting(), ""));
    place.train("out", "");
    let applied = served.ask("PAR:APPL?");
    let values: Vec<f64> = applied.split(',').map(|v| v.parse().unwrap()).collect();
    assert_eq!(values.len(), 1 + 64);
    // A step of the converter beside the clamp.
    assert!(values[1..].iter().all(|v| (0.9..=2.1).contains(v)), "{applied}");
}

/// A driver whose instrument is at the end of a serial line: two pseudo-terminals with a wire between them.
#[test]
#[cfg(target_os = "linux")]
fn a_serial_line_does_as_well() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place);
    device(&place, "typical");
    let direct = reference(&place);
    let wire = place.path("wire");
    let source = Path::new(ROOT).join("tests/fixtures/c/wire.c");
    succeeds(Command::new("cc").args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&wire).arg(source));
    let mut wire = Command::new(wire).stdout(Stdio::piped()).spawn().unwrap();
    let mut ends = String::new();
    BufReader::new(wire.stdout.take().unwrap()).read_line(&mut ends).unwrap();
    let (near, far) = ends.trim().split_once(' ').unwrap();
    let served = Served::start(&place, &format!("--serial {far}"));
    place.write("experiment.yaml", through(&format!("serial:{near}"), ""));
    same(&place.train("serial", ""), &direct);
    drop(served);
    wire.kill().unwrap();
    wire.wait().unwrap();
}

/// The protocol as a person meets it.
#[test]
fn the_protocol_can_be_spoken_by_hand() {
    let place = Place::new();
    device(&place, "ideal");
    let served = Served::on_a_free_port(&place, "");
    let mut stream = TcpStream::connect(&served.address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut say = |line: &str| {
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        if line.split(' ').next().is_some_and(|header| header.ends_with('?')) {
            answers.read_line(&mut answer).unwrap();
        }
        answer.trim_end().to_owned()
    };
    assert!(say("*idn?").starts_with("Blackbeam,mzi_mesh,7,"));
    assert!(say("*OPT?").contains("IDENTITY"));
    assert_eq!(say("SYST:ERR?"), "0,\"No error\"");
    assert_eq!(say("PAR:COUN?"), "64");
    assert!(say("PAR:DEF? 0").starts_with("\"U.theta"), "{}", say("PAR:DEF? 0"));
    assert_eq!(say("PAR:DEF? 64"), "");
    assert!(say("SYSTem:ERRor?").starts_with("-222,\"Data out of range"));
    let vector = "MEAS:VECT? 1,1,1,0,0,0,0,0,0,0";
    assert_eq!(say(vector), "", "the sources are off");
    assert!(say("SYST:ERR?").starts_with("205,\"NOT_READY"));
    let params = vec!["0.5"; 64].join(",");
    say(&format!("PAR:VAL {params}"));
    let answer = say(vector);
    let y: Vec<f64> = answer.split(',').map(|v| v.parse().unwrap()).collect();
    assert_eq!((y.len(), y[0]), (9, 1.0), "{answer}");
    // The column of the matrix.
    let matrix: Vec<f64> = say("DIAG:MATR?").split(',').map(|v| v.parse().unwrap()).collect();
    for (row, y) in y[1..].iter().enumerate() {
        assert!((matrix[8 * row] - y).abs() < 1e-12, "{row}");
    }
    say("PAR:VAL 1,2,3");
    assert!(say("SYST:ERR?").starts_with("212,\"SHAPE; 3 values for 64 parameters"));
    assert_eq!(say("SING:A:SONG?"), "");
    assert_eq!(say("SYST:ERR?"), "-113,\"Undefined header; SING:A:SONG?\"");
    say("SYST:SAFE");
    assert_eq!((say("SYST:SAFE?"), say("SYST:ERR?")), ("1".into(), "0,\"No error\"".into()));
    // An error queue does not grow for ever.
    (0..100).for_each(|_| drop(say("NO:SUCH")));
    let last = (0..100).map(|_| say("SYST:ERR?")).filter(|e| !e.starts_with("0,")).last().unwrap();
    assert_eq!(last, "-350,\"Queue overflow\"");
}

#[test]
fn what_cannot_be_served_is_refused() {
    let place = Place::new();
    device(&place, "ideal");
    place.run("serve-device no.yml").ends(2, &["no.yml"]);
    place.run("serve-device device.ddl.yml --fault melt@1").ends(2, &["melt@1", "power-loss"]);
    place.run("serve-device device.ddl.yml --clamp 2:1").ends(2, &["LOW:HIGH"]);
    place.run("serve-device device.ddl.yml --listen nowhere").ends(1, &["cannot listen on nowhere"]);
    place.run("serve-device device.ddl.yml --serial no/line").ends(1, &["no/line"]);
}

/// Each template builds, is made known, and trains.
#[test]
fn templates_build_and_train() {
    for (lang, command) in [("c", "cc"), ("cpp", "c++")] {
        if !compiler(command) || !compiler("make") {
            continue;
        }
        let place = Place::new();
        place.run(&format!("plugin new thermal_mesh --lang {lang}")).done();
        let folder = place.path("thermal_mesh");
        let mut make = Command::new("make");
        make.current_dir(&folder).env("CFLAGS", "-O1 -Werror").env("CXXFLAGS", "-O1 -Werror");
        let said = succeeds(&mut make);
        assert!(!said.contains("warning"), "{said}");
        trains(&place, "libthermal_mesh.so");
        place.run(&format!("plugin new thermal_mesh --lang {lang}")).ends(2, &["thermal_mesh", "exists"]);
    }
}

/// The same in Rust, with what this workspace has fetched and built.
#[test]
fn the_template_in_rust_builds_and_trains() {
    let place = Place::new();
    place.run(&format!("plugin new thermal_mesh --lang rust --blackbeam {ROOT}")).done();
    copy(&Path::new(ROOT).join("Cargo.lock"), place.path("thermal_mesh/Cargo.lock"));
    // What it depends on is built once and kept.
    let target = Path::new(ROOT).join("target/template");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline"]).current_dir(place.path("thermal_mesh"));
    cargo.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "-D warnings");
    succeeds(&mut cargo);
    let name = format!("{DLL_PREFIX}thermal_mesh{DLL_SUFFIX}");
    copy(&target.join("debug").join(&name), place.path("thermal_mesh/target/release").join(name));
    trains(&place, "target/release/libthermal_mesh.so");
}

/// The library is known and its experiment trains; its settings are checked.
fn trains(place: &Place, library: &str) {
    let run = |arguments: &str| place.run_in("thermal_mesh", arguments);
    let library = if cfg!(target_os = "macos") { library.replace(".so", ".dylib") } else { library.to_owned() };
    let added = run(&format!("plugin add {library}")).done();
    assert!(added.stdout.contains("device `thermal_mesh`"), "{}", added.stdout);
    // It keeps what it promises, and nothing is to be warned of.
    let checked = run(&format!("plugin check {library}")).done().stdout;
    assert!(checked.contains("0 warn, 0 fail"), "{checked}");
    assert_eq!(run("check experiment.yaml").done().stderr, "");
    run("train experiment.yaml --out out --quiet").done();
    assert_eq!(place.finished("thermal_mesh/out").summary()["status"], "done");
    run("check experiment.yaml --set devices.dev.source.settings.gian=2").ends(2, &["did you mean `gain`?"]);
    run("train experiment.yaml --out bad --set devices.dev.source.settings.gain=0").ends(2, &["gain"]);
}

/// A served instrument behind its driver keeps what it promises, whatever is mended on the way; one that clamps does not.
#[test]
fn instruments_are_checked() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place);
    device(&place, "typical");
    let check = |served: &Served| {
        let mut command = place.command("plugin check libscpi.so --settings");
        command.arg(format!(r#"{{"device": "{}", "timeout_s": 0.5}}"#, served.setting()));
        Finished::new("plugin check libscpi.so", command.output().unwrap())
    };
    for (fault, word) in
        [("busy/7", "0 warn, 0 fail"), ("hang@40", "1 calls failed"), ("slip@20", "FRAME_SLIP"), ("drop/30", "IO: ")]
    {
        let served = Served::on_a_free_port(&place, &format!("--fault {fault}"));
        let checked = check(&served).done();
        assert!(checked.stdout.contains(word), "{fault}: no `{word}` in {}", checked.stdout);
        assert_eq!(served.ask("SYST:SAFE?"), "1", "{fault}: it is left in its safe state");
    }
    let served = Served::on_a_free_port(&place, "--clamp 1:2");
    let failed = check(&served).ends(1, &[]).stdout;
    assert!(failed.contains("fail     parameters.applied"), "{failed}");
    assert_eq!(served.ask("SYST:SAFE?"), "1");
}

/// Ctrl-C leaves the instrument in its safe state.
#[test]
fn a_check_can_be_stopped() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    driver(&place);
    device(&place, "typical");
    let served = Served::on_a_free_port(&place, "--latency 0.02");
    place.write("settings", format!(r#"{{"device":"{}"}}"#, served.setting()));
    let settings = place.read("settings");
    let mut running = place.start(&format!("plugin check libscpi.so --settings {settings}"));
    assert!(running.until(|| served.ask("SYST:SAFE?") == "0"), "it ended before anything was written");
    running.signal("INT");
    running.finish().ends(130, &["stopped"]);
    assert_eq!(served.ask("SYST:SAFE?"), "1");
}

/// A library in C that does not clamp, and says so.
#[test]
fn a_library_that_does_not_clamp_is_found() {
    if !compiler("cc") {
        return;
    }
    let place = Place::new();
    let source = Path::new(ROOT).join("tests/fixtures/c/device.c");
    let mut command = Command::new("cc");
    command.args(["-std=c99", "-fPIC", "-shared", "-I"]).arg(Path::new(ROOT).join("include")).arg(source);
    succeeds(command.arg("-o").arg(place.path("gain.so")));
    let failed = place.run("plugin check gain.so").ends(1, &[]).stdout;
    assert!(failed.contains("fail     parameters.clamped       `gain`: 2.4 asked, 2.4 applied"), "{failed}");
    assert!(failed.contains("do: clamp in the driver"), "{failed}");
    place.run("plugin check gain.so --in-range").done();
}

/// The families that come with Blackbeam can all be served.
#[test]
fn every_family_is_served() {
    let place = Place::new();
    for name in ["mrr", "slm"] {
        let source = family(name, "typical").replace("ROOT", ROOT);
        let file = source.split("file: ").nth(1).unwrap().split(',').next().unwrap();
        std::fs::copy(file, place.path("device.ddl.yml")).unwrap();
        let served = Served::on_a_free_port(&place, "");
        let count: usize = served.ask("PAR:COUN?").parse().unwrap();
        assert!(count > 0 && served.ask(&format!("PAR:DEF? {}", count - 1)).starts_with('"'));
    }
}
