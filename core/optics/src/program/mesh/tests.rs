//! Meshes against plain products of cells, and their adjoint against differences.

use super::*;
use crate::testing;
use blackbeam_netlist::circuit::{Arrangement, Cell, Circuit, Convention, Element, Kind, Number};
use blackbeam_plugin::Key;

fn program(circuit: &Circuit) -> MeshProgram {
    let Kind::Mesh(mesh) = &circuit.instances[0].kind else { panic!("a mesh") };
    MeshProgram::new(mesh, 0, &Fabrication::new(circuit, 3)).unwrap()
}

fn matrix(program: &MeshProgram, phases: &[f64]) -> Field {
    let mut field = Field::sized(program.n * program.n, true);
    program.fill(phases, &mut field);
    field
}

fn random_phases(program: &MeshProgram, seed: u64) -> Vec<f64> {
    let count = 2 * program.cells.len() + program.n;
    (0..count as u64).map(|i| 10.0 * Key::new(seed).uniform(i) - 5.0).collect()
}

/// All meshes there are, of about n modes.
fn meshes(n: usize) -> Vec<Circuit> {
    let mut all = Vec::new();
    for cell in [Cell::Mzi, Cell::Mzi3, Cell::MziClassical, Cell::Tdc] {
        for convention in
            [Convention::Bpbp, Convention::BpbpT, Convention::Bloch, Convention::RxHRy, Convention::Clements2016]
        {
            let known = match convention {
                Convention::Bpbp | Convention::BpbpT => true,
                Convention::RxHRy => cell == Cell::Mzi3,
                _ => cell == Cell::Mzi,
            };
            let arrangements = [
                (Arrangement::Clements, n),
                (Arrangement::Reck, n),
                (Arrangement::Triangular, n),
                (Arrangement::Butterfly, n.next_power_of_two()),
                (Arrangement::Redundant, n),
            ];
            for (arrangement, n) in arrangements.into_iter().filter(|_| known) {
                all.push(testing::any_mesh(n, cell, convention, arrangement));
            }
        }
    }
    all
}

/// The tiled sweep against the plain product of ideal cells.
#[test]
fn the_sweep_is_the_product_of_its_cells() {
    for (i, circuit) in meshes(6).into_iter().chain([testing::mesh(33)]).enumerate() {
        let Kind::Mesh(mesh) = &circuit.instances[0].kind else { panic!("a mesh") };
        let program = program(&circuit);
        assert_eq!(program.turns(), mesh.cell != Cell::Mzi3, "{mesh:?}");
        let phases = random_phases(&program, i as u64);
        let field = matrix(&program, &phases);
        let count = program.cells.len();
        let (theta, phi, gamma) = (&phases[..count], &phases[count..2 * count], &phases[2 * count..]);
        let scheme = scheme(mesh).unwrap();
        let expected = meshes::matrix(mesh.n, &program.cells, &scheme, theta, phi, gamma).unwrap();
        for (k, v) in expected.iter().enumerate() {
            assert!((v - Complex64::new(field.re[k], field.im[k])).norm() < 1e-12, "{mesh:?} entry {k}");
        }
    }
}

/// Losses, splitting errors and phase errors against a plain product of faulty cells.
#[test]
fn faults() {
    let n = 21;
    let mut circuit = testing::mesh(n);
    let all = |quantity, count: usize, value| {
        testing::rule(quantity, (0..count).map(|index| Element { instance: 0, index }).collect(), value)
    };
    circuit.nonideal = vec![
        all(Quantity::SplitAngle, 2 * 210, Number::Normal(0.0, 0.1)),
        all(Quantity::CellLoss, 210, Number::Uniform(0.0, 0.3)),
        all(Quantity::ArmLoss, 420, Number::Uniform(0.0, 0.3)),
        all(Quantity::ArmPhase, 210, Number::Normal(0.0, 0.3)),
        all(Quantity::InputLoss, n, Number::Uniform(0.0, 1.0)),
        all(Quantity::OutputLoss, n, Number::Uniform(0.0, 1.0)),
    ];
    let program = program(&circuit);
    let phases = random_phases(&program, 8);
    let blocks: Vec<Block> = (0..210)
        .map(|i| {
            let couplers = [program.errors[2 * i], program.errors[2 * i + 1], 0.0];
            program.scheme.faulty(phases[i], phases[210 + i], &meshes::Faults { couplers, arms: program.arms[i] })
        })
        .collect();
    let u = meshes::compose(n, &program.cells, &blocks).unwrap();
    let field = matrix(&program, &phases);
    let mut power = 0.0;
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let out = Complex64::from_polar(program.output[i], phases[420 + i]) * program.input[j];
        let v = u[i * n + j] * out;
        assert!((v - Complex64::new(field.re[i * n + j], field.im[i * n + j])).norm() < 1e-13);
        power += v.norm_sqr();
    }
    assert!(power < 0.9 * n as f64, "losses take power away: {power}");
}

/// dL/dslots for L = Re sum conj(G) M, against central differences.
#[test]
fn the_adjoint_of_every_cell() {
    for (i, mut circuit) in meshes(3).into_iter().chain([testing::mesh(18)]).enumerate() {
        circuit.nonideal = vec![
            testing::rule(Quantity::SplitAngle, vec![Element { instance: 0, index: 1 }], Number::Fixed(0.3)),
            testing::rule(Quantity::ArmLoss, vec![Element { instance: 0, index: 1 }], Number::Fixed(2.0)),
            testing::rule(Quantity::ArmPhase, vec![Element { instance: 0, index: 0 }], Number::Fixed(0.4)),
        ];
        let program = program(&circuit);
        let phases = random_phases(&program, i as u64);
        let entries = program.n * program.n;
        let mut g = Field::sized(entries, true);
        Key::new(1).fill_normal(0, &mut g.re);
        Key::new(2).fill_normal(0, &mut g.im);
        let loss = |phases: &[f64]| {
            let m = matrix(&program, phases);
            (0..entries).map(|k| g.re[k] * m.re[k] + g.im[k] * m.im[k]).sum::<f64>()
        };
        let mut found = vec![0.0; phases.len()];
        program.pull(&phases, &g, &mut found);
        for k in (0..phases.len()).step_by(1 + phases.len() / 40) {
            let mut moved = phases.clone();
            moved[k] += 1e-5;
            let up = loss(&moved);
            moved[k] -= 2e-5;
            let slope = (up - loss(&moved)) / 2e-5;
            assert!((found[k] - slope).abs() < 1e-7, "{circuit:?} slot {k}: {} {slope}", found[k]);
        }
    }
}

/// A closed form of a single cell, as written in the language's conventions.
#[test]
fn two_modes() {
    let (theta, phi, gamma) = (0.7f64, 1.9f64, 0.4);
    let field = matrix(&program(&testing::mesh_of(2, Cell::Mzi)), &[theta, phi, gamma, 0.0]);
    // T = i e^{i theta/2} [[e^{i phi} sin, cos], [e^{i phi} cos, -sin]](theta/2)
    let (s, c) = (theta / 2.0).sin_cos();
    let (lead, p) = (Complex64::I * Complex64::cis(theta / 2.0), Complex64::cis(phi));
    let out = Complex64::cis(gamma);
    for (k, v) in [lead * p * s * out, lead * c * out, lead * p * c, -lead * s].into_iter().enumerate() {
        assert!((v - Complex64::new(field.re[k], field.im[k])).norm() < 1e-14, "entry {k}");
    }
}
