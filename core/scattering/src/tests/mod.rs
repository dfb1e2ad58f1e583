//! Tests against the dense formula of the whole circuit, closed forms and physical laws.

mod closed_forms;
mod derivatives;
mod limits;
mod properties;
mod timing;

use num_complex::Complex64;

use crate::{Direction, Entry, Error, Method, Output, Plan, Port, Structure, Workspace};

const METHODS: [Method; 4] = [Method::Auto, Method::Cascade, Method::Sparse, Method::Dense];

fn c(re: f64, im: f64) -> Complex64 {
    Complex64::new(re, im)
}

fn port(block: usize, port: usize) -> Port {
    Port { block, port }
}

/// A small generator for test cases (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Between -1 and 1.
    fn real(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn complex(&mut self) -> Complex64 {
        c(self.real(), self.real())
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A square matrix, rows one after the other.
#[derive(Clone, Debug, PartialEq)]
struct Square(usize, Vec<Complex64>);

impl Square {
    fn zero(n: usize) -> Self {
        Self(n, vec![Complex64::ZERO; n * n])
    }

    fn from(n: usize, f: impl Fn(usize, usize) -> Complex64) -> Self {
        Self(n, (0..n * n).map(|i| f(i / n, i % n)).collect())
    }

    fn at(&self, row: usize, col: usize) -> Complex64 {
        self.1[row * self.0 + col]
    }

    fn times(&self, other: &Self) -> Self {
        Self::from(self.0, |i, j| (0..self.0).map(|k| self.at(i, k) * other.at(k, j)).sum())
    }

    fn adjoint(&self) -> Self {
        Self::from(self.0, |i, j| self.at(j, i).conj())
    }

    fn one_minus(&self) -> Self {
        Self::from(self.0, |i, j| if i == j { 1.0 - self.at(i, j) } else { -self.at(i, j) })
    }

    /// Gauss-Jordan with partial pivoting.
    fn inverse(&self) -> Self {
        let n = self.0;
        let (mut a, mut b) = (self.clone(), Self::zero(n).one_minus());
        for k in 0..n {
            let best = (k..n).max_by(|&i, &j| a.at(i, k).norm().total_cmp(&a.at(j, k).norm())).unwrap();
            for j in 0..n {
                a.1.swap(k * n + j, best * n + j);
                b.1.swap(k * n + j, best * n + j);
            }
            let pivot = a.at(k, k);
            for i in (0..n).filter(|&i| i != k) {
                let factor = a.at(i, k) / pivot;
                for j in 0..n {
                    let (x, y) = (a.at(k, j), b.at(k, j));
                    a.1[i * n + j] -= factor * x;
                    b.1[i * n + j] -= factor * y;
                }
            }
            for j in 0..n {
                a.1[k * n + j] /= pivot;
                b.1[k * n + j] /= pivot;
            }
        }
        b
    }
}

/// A random matrix with orthonormal columns (Gram-Schmidt).
fn unitary(n: usize, random: &mut Random) -> Square {
    let mut columns: Vec<Vec<Complex64>> = Vec::new();
    while columns.len() < n {
        let mut v: Vec<Complex64> = (0..n).map(|_| random.complex()).collect();
        for _ in 0..2 {
            for u in &columns {
                let dot: Complex64 = u.iter().zip(&v).map(|(a, b)| a.conj() * b).sum();
                v.iter_mut().zip(u).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = v.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        columns.push(v.iter().map(|z| z / norm).collect());
    }
    Square::from(n, |i, j| columns[j][i])
}

/// A circuit with the scattering matrix of each block.
#[derive(Clone)]
struct Circuit {
    structure: Structure,
    matrices: Vec<Square>,
}

impl Circuit {
    /// Blocks with these matrices, joined by these links, lit and read at all other ports.
    fn closed(matrices: Vec<Square>, links: Vec<[Port; 2]>) -> Self {
        let blocks: Vec<usize> = matrices.iter().map(|m| m.0).collect();
        let outer: Vec<Port> = blocks
            .iter()
            .enumerate()
            .flat_map(|(b, &n)| (0..n).map(move |p| port(b, p)))
            .filter(|p| !links.iter().flatten().any(|q| q == p))
            .collect();
        let entries = matrices
            .iter()
            .enumerate()
            .flat_map(|(block, m)| (0..m.1.len()).map(move |i| (Entry { block, from: i % m.0, to: i / m.0 }, m.1[i])))
            .filter(|(_, value)| *value != Complex64::ZERO)
            .map(|(entry, _)| entry)
            .collect();
        let outputs = outer.iter().copied().map(Output::leaving).collect();
        Self { structure: Structure { blocks, entries, links, inputs: outer, outputs }, matrices }
    }

    /// `blocks` blocks of one to four ports, about half of their ports joined at random.
    fn random(blocks: usize, random: &mut Random, matrix: impl Fn(usize, &mut Random) -> Square) -> Self {
        let matrices: Vec<Square> = (0..blocks)
            .map(|_| {
                let n = 1 + random.below(4);
                matrix(n, random)
            })
            .collect();
        let mut free: Vec<Port> =
            matrices.iter().enumerate().flat_map(|(b, m)| (0..m.0).map(move |p| port(b, p))).collect();
        random.shuffle(&mut free);
        let joined = free.len() * 3 / 4;
        let links = free[..joined].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        Self::closed(matrices, links)
    }

    fn values(&self) -> Vec<Complex64> {
        self.structure.entries.iter().map(|e| self.matrices[e.block].at(e.to, e.from)).collect()
    }

    fn offset(&self, port: Port) -> usize {
        self.structure.blocks[..port.block].iter().sum::<usize>() + port.port
    }

    /// The matrices S and C of the whole circuit.
    fn whole(&self) -> (Square, Square) {
        let total = self.structure.blocks.iter().sum();
        let (mut s, mut joined) = (Square::zero(total), Square::zero(total));
        for (entry, value) in self.structure.entries.iter().zip(self.values()) {
            let (from, to) = (self.offset(port(entry.block, entry.from)), self.offset(port(entry.block, entry.to)));
            s.1[to * total + from] = value;
        }
        for &[a, b] in &self.structure.links {
            let (a, b) = (self.offset(a), self.offset(b));
            joined.1[a * total + b] = Complex64::ONE;
            joined.1[b * total + a] = Complex64::ONE;
        }
        (s, joined)
    }

    /// E^T S (1 - C S)^-1 E, and the waves inside from the same formula.
    fn reference(&self) -> Vec<Complex64> {
        let (s, joined) = self.whole();
        let incoming = joined.times(&s).one_minus().inverse();
        let outgoing = s.times(&incoming);
        let mut out = Vec::new();
        for row in &self.structure.outputs {
            let of = if row.wave == Direction::Incoming { &incoming } else { &outgoing };
            out.extend(self.structure.inputs.iter().map(|&input| of.at(self.offset(row.port), self.offset(input))));
        }
        out
    }

    fn solve(&self, method: Method) -> Result<Vec<Complex64>, Error> {
        let plan = Plan::new(&self.structure, method)?;
        let mut out = vec![Complex64::ZERO; plan.outputs() * plan.inputs()];
        plan.solve(&self.values(), 1, &mut out, &mut Workspace::new())?;
        Ok(out)
    }
}

/// A random passive matrix, not reciprocal, with some zeros.
fn passive(n: usize, random: &mut Random) -> Square {
    let mut m = Square::zero(n);
    for z in &mut m.1 {
        if random.below(4) > 0 {
            *z = random.complex();
        }
    }
    let norm = m.1.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt().max(1e-3);
    m.1.iter_mut().for_each(|z| *z *= 0.99 / norm);
    m
}

#[track_caller]
fn assert_close(found: &[Complex64], expected: &[Complex64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).norm() <= tolerance, "number {i}: {a} instead of {b}");
    }
}

/// Two mirrors with a waveguide of two directions between them.
fn fabry_perot(r: f64, round_trip: Complex64) -> Circuit {
    let t = c(0.0, (1.0 - r * r).sqrt());
    let mirror = Square(2, vec![c(r, 0.0), t, t, c(r, 0.0)]);
    let half = round_trip.sqrt();
    let guide = Square(2, vec![Complex64::ZERO, half, half, Complex64::ZERO]);
    Circuit::closed(vec![mirror.clone(), guide, mirror], vec![[port(0, 1), port(1, 0)], [port(1, 1), port(2, 0)]])
}

/// A coupler of ports 0, 1 on the left and 2, 3 on the right with amplitude `t` straight on.
fn coupler(t: f64) -> Square {
    let (t, k, o) = (c(t, 0.0), c(0.0, (1.0 - t * t).sqrt()), Complex64::ZERO);
    Square(4, vec![o, o, t, k, o, o, k, t, t, k, o, o, k, t, o, o])
}

/// A waveguide.
fn guide(a: Complex64) -> Square {
    Square(2, vec![Complex64::ZERO, a, a, Complex64::ZERO])
}

/// `rings` rings in a row between two bus waveguides, lit at the left bus and read there and at the last bus.
fn ring_chain(rings: usize, t: f64, half_round: Complex64) -> Circuit {
    let mut matrices = vec![coupler(t); rings + 1];
    let mut links = Vec::new();
    for ring in 0..rings {
        // The right arm of a coupler is the left arm of the next one; each half of a ring is a waveguide.
        for (out, back) in [(port(ring, 3), port(ring + 1, 0)), (port(ring + 1, 2), port(ring, 1))] {
            let block = matrices.len();
            matrices.push(guide(half_round));
            links.push([out, port(block, 0)]);
            links.push([port(block, 1), back]);
        }
    }
    let mut circuit = Circuit::closed(matrices, links);
    circuit.structure.inputs = vec![port(0, 0)];
    circuit.structure.outputs = vec![Output::leaving(port(0, 2)), Output::leaving(port(rings, 3))];
    circuit
}
