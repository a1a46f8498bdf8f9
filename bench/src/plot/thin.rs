//! Fewer points that look the same: the extremes of each stretch stay, so no spike is lost.

/// At most about `points_max` of the points, which are in order of x.
pub(super) fn thin(points: &[(f64, f64)], points_max: usize) -> Vec<(f64, f64)> {
    if points.len() <= points_max {
        return points.to_vec();
    }
    // Two points of each stretch.
    let stretch = points.len().div_ceil((points_max / 2).max(1));
    let mut kept = Vec::with_capacity(points_max);
    for stretch in points.chunks(stretch) {
        let extreme = |pick: fn(std::cmp::Ordering) -> bool| {
            let mut found = 0;
            for (place, point) in stretch.iter().enumerate() {
                if pick(point.1.total_cmp(&stretch[found].1)) {
                    found = place;
                }
            }
            found
        };
        let (low, high) = (
            extreme(std::cmp::Ordering::is_lt),
            extreme(std::cmp::Ordering::is_gt),
        );
        kept.push(stretch[low.min(high)]);
        if low != high {
            kept.push(stretch[low.max(high)]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_stay_as_they_are() {
        let points = [(0.0, 1.0), (1.0, 2.0)];
        assert_eq!(thin(&points, 2), points);
    }

    #[test]
    fn spikes_and_dips_survive() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), 10.0)).collect();
        points[1_234].1 = 500.0;
        points[7_777].1 = 0.0;
        let thinned = thin(&points, 100);
        assert!(thinned.len() <= 100, "{}", thinned.len());
        assert!(thinned.contains(&(1_234.0, 500.0)) && thinned.contains(&(7_777.0, 0.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
    }
}
