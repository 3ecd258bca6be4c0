/** Milliseconds as people say them: `11.2 s`, `15 min`, `2 h 11 min`, `never`. */
export function duration(milliseconds: number): string {
  if (milliseconds === Infinity) return 'never';
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const minutes = Math.floor(milliseconds / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
