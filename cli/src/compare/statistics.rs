//! Median, mean, deviation, and the exact Mann-Whitney test.

/// The middle value; the mean of the two middle ones of an even number. NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    if n % 2 == 1 { sorted[n / 2] } else { (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0 }
}

/// NaN of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation with n - 1; `None` for fewer than two.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Most values that are compared: beyond them the counts do not fit 128 bits.
pub const MOST: usize = 128;

/// What the Mann-Whitney test says of two groups, a and b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the value of a is the greater one, equal ones counted half.
    pub u_a: f64,
    /// The same of b; both add up to the number of pairs.
    pub u_b: f64,
    /// One-sided p: how likely a is so high or higher where both are from one distribution.
    pub a_higher: f64,
    /// The same for b.
    pub b_higher: f64,
    /// Twice the smaller one, 1 at most.
    pub two_sided: f64,
}

/// The exact test: of all ways to choose which of the values are those of a, all equally likely, the share in which the ranks
/// of a add up to as much as they do or more (or less). Equal values have the mean of their ranks. No approximation; the
/// ways are counted by dynamic programming over values, how many are chosen and the sum of their ranks.
///
/// `None` if a group is empty, there are more than [`MOST`] values or one is NaN.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
    let (n, m) = (a.len(), b.len());
    let values: Vec<f64> = a.iter().chain(b).copied().collect();
    if n == 0 || m == 0 || n + m > MOST || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let ranks: Vec<usize> = values.iter().map(|v| doubled_rank(*v, &values)).collect();
    let found: usize = ranks[..n].iter().sum();
    let ways = ways(&ranks, n);
    let all = ways.iter().sum::<u128>() as f64;
    let share = |ways: &[u128]| ways.iter().sum::<u128>() as f64 / all;
    let (a_higher, b_higher) = (share(&ways[found..]), share(&ways[..=found]));
    // The ranks of n values that are all lower than the others add up to n (n + 1) / 2.
    let u_a = (found - n * (n + 1)) as f64 / 2.0;
    let two_sided = (2.0 * a_higher.min(b_higher)).min(1.0);
    Some(MannWhitney { u_a, u_b: (n * m) as f64 - u_a, a_higher, b_higher, two_sided })
}

/// Twice the rank, from 1, of a value among all: a whole number also where equal values share their ranks.
fn doubled_rank(value: f64, values: &[f64]) -> usize {
    let lower = values.iter().filter(|v| **v < value).count();
    let equal = values.iter().filter(|v| **v == value).count();
    2 * lower + equal + 1
}

/// How many choices of `n` of the ranks have each sum.
fn ways(ranks: &[usize], n: usize) -> Vec<u128> {
    let sums = ranks.iter().sum::<usize>() + 1;
    let mut ways = vec![vec![0u128; sums]; n + 1];
    ways[0][0] = 1;
    for &rank in ranks {
        for chosen in (1..=n).rev() {
            for sum in (rank..sums).rev() {
                ways[chosen][sum] += ways[chosen - 1][sum - rank];
            }
        }
    }
    ways.swap_remove(n)
}

/// The smallest two-sided p that groups of `n` and `m` values can come to: that of two groups which do not overlap.
pub fn least_two_sided(n: usize, m: usize) -> f64 {
    let ways = (1..=n).fold(1.0, |ways, i| ways * (m + i) as f64 / i as f64);
    (2.0 / ways.round()).min(1.0)
}

/// How many values each of two equal groups must have for a two-sided p under `level`.
pub fn enough(level: f64) -> usize {
    (1..MOST / 2).find(|&n| least_two_sided(n, n) < level).unwrap_or(MOST / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All choices one by one, by bit masks: what the dynamic programming has to find.
    fn enumerated(a: &[f64], b: &[f64]) -> (f64, f64) {
        let values: Vec<f64> = a.iter().chain(b).copied().collect();
        let pairs = |of_a: &dyn Fn(usize) -> bool| {
            let mut u = 0.0;
            for i in (0..values.len()).filter(|&i| of_a(i)) {
                for j in (0..values.len()).filter(|&j| !of_a(j)) {
                    u += f64::from(values[i] > values[j]) + 0.5 * f64::from(values[i] == values[j]);
                }
            }
            u
        };
        let found = pairs(&|i| i < a.len());
        let chosen = (0u32..1 << values.len()).filter(|mask| mask.count_ones() as usize == a.len());
        let all: Vec<f64> = chosen.map(|mask| pairs(&|i| mask >> i & 1 == 1)).collect();
        let share = |test: &dyn Fn(f64) -> bool| all.iter().filter(|u| test(**u)).count() as f64 / all.len() as f64;
        (share(&|u| u >= found), share(&|u| u <= found))
    }

    #[test]
    fn five_against_five_has_the_thresholds_of_the_tables() {
        let low = [1.0, 2.0, 3.0, 4.0, 5.0];
        let test = mann_whitney(&low, &[6.0, 7.0, 8.0, 9.0, 10.0]).unwrap();
        assert_eq!((test.u_a, test.u_b), (0.0, 25.0));
        assert_eq!((test.b_higher, test.two_sided, test.a_higher), (1.0 / 252.0, 2.0 / 252.0, 1.0));
        let one = mann_whitney(&[1.0, 2.0, 3.0, 4.0, 6.0], &[5.0, 7.0, 8.0, 9.0, 10.0]).unwrap();
        assert_eq!((one.u_a, one.b_higher, one.two_sided), (1.0, 2.0 / 252.0, 4.0 / 252.0));
        let two = mann_whitney(&[5.0, 7.0, 8.0, 9.0, 10.0], &[1.0, 2.0, 3.0, 6.0, 4.0]).unwrap();
        assert_eq!((two.u_b, two.a_higher), (1.0, 2.0 / 252.0));
    }

    /// Numbers of ways for U = 0, 1, 2, ... with 3 and 4 values (Mann and Whitney 1947, table I gives their sums over 35).
    #[test]
    fn the_distribution_of_three_and_four() {
        let ranks: Vec<usize> = (1..=7).map(|r| 2 * r).collect();
        let ways = ways(&ranks, 3);
        let of_u: Vec<u128> = (0..=12).map(|u| ways[2 * (u + 6)]).collect();
        assert_eq!(of_u, [1, 1, 2, 3, 4, 4, 5, 4, 4, 3, 2, 1, 1]);
        assert_eq!(ways.iter().sum::<u128>(), 35);
    }

    #[test]
    fn ties_are_counted_as_they_are() {
        for (a, b) in [
            (&[1.0, 2.0, 2.0][..], &[2.0, 3.0, 3.0, 4.0][..]),
            (&[0.5, 0.5], &[0.5, 0.5, 0.5]),
            (&[3.0, 1.0, 4.0, 1.0, 5.0], &[9.0, 2.0, 6.0, 5.0]),
            (&[1.0], &[1.0, 2.0]),
            (&[7.0, 8.0, 9.5], &[1.0, 7.5, 8.0]),
        ] {
            let test = mann_whitney(a, b).unwrap();
            assert_eq!((test.a_higher, test.b_higher), enumerated(a, b), "{a:?} {b:?}");
            let back = mann_whitney(b, a).unwrap();
            assert_eq!((back.u_a, back.a_higher, back.two_sided), (test.u_b, test.b_higher, test.two_sided));
        }
        assert_eq!(mann_whitney(&[1.0, 1.0], &[1.0, 1.0]).unwrap().two_sided, 1.0);
    }

    #[test]
    fn large_groups_keep_their_exact_counts() {
        let (a, b): (Vec<f64>, Vec<f64>) = ((0..64).map(f64::from).collect(), (64..128).map(f64::from).collect());
        let test = mann_whitney(&a, &b).unwrap();
        // 1 / (128 choose 64)
        assert!((test.b_higher * 2.395_114_604_192_808_3e37 - 1.0).abs() < 1e-9, "{}", test.b_higher);
        assert_eq!(mann_whitney(&a, &[&b[..], &[0.5]].concat()), None);
        assert_eq!(mann_whitney(&a, &[]), None);
        assert_eq!(mann_whitney(&[f64::NAN], &b), None);
    }

    #[test]
    fn how_many_seeds_can_say_something() {
        for (n, m, ways) in [(1, 1, 2.0), (3, 3, 20.0), (4, 4, 70.0), (5, 5, 252.0), (2, 5, 21.0), (5, 2, 21.0)] {
            assert_eq!(least_two_sided(n, m), f64::min(2.0 / ways, 1.0));
        }
        assert_eq!((enough(0.05), enough(0.01)), (4, 5));
    }

    #[test]
    fn summaries_by_hand() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!((mean(&[1.0, 2.0, 6.0]), deviation(&[1.0, 2.0, 6.0])), (3.0, Some(7f64.sqrt())));
        assert_eq!(deviation(&[1.0]), None);
    }
}
