/** Points that a narrowing looks at, and the size from which it looks at each. */
const POINTS = 9;
const EACH_BELOW = 24;

/**
 * Finds the point of least distance between `first` and `last`, both included: looks at a few, goes on
 * around the nearest of them, and at the end at each. Distances fall toward the best point and rise after
 * it; small ranges are looked at in full, whatever they do. Among equals, the last.
 *
 * @param distanceAt asked once for a point
 * @returns the point, and all distances that were asked for
 */
export async function nearest(
  first: number,
  last: number,
  distanceAt: (point: number) => Promise<number>,
): Promise<{ readonly point: number; readonly distances: ReadonlyMap<number, number> }> {
  const distances = new Map<number, number>();
  let [low, high] = [first, last];
  for (;;) {
    const points = pointsOf(low, high);
    for (const point of points) {
      if (!distances.has(point)) distances.set(point, await distanceAt(point));
    }
    const best = bestOf(points, distances);
    const at = points.indexOf(best);
    const [before = low, after = high] = [points[at - 1], points[at + 1]];
    if (points.length > high - low) return { point: best, distances };
    [low, high] = [before, after];
  }
}

function pointsOf(low: number, high: number): readonly number[] {
  const size = high - low;
  const count = size < EACH_BELOW ? size + 1 : POINTS;
  const step = size / Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, i) => low + Math.round(i * step));
}

function bestOf(points: readonly number[], distances: ReadonlyMap<number, number>): number {
  const distanceOf = (point: number) => distances.get(point) ?? Number.POSITIVE_INFINITY;
  return points.reduce((best, point) => (distanceOf(point) <= distanceOf(best) ? point : best));
}
