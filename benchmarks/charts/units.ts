// Formats numbers for the charts.

export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} B`
  return bytes < 1e6 ? `${short(bytes / 1_000)} KB` : `${short(bytes / 1e6)} MB`
}

export function countText(count: number): string {
  if (count < 1_000) return String(count)
  return count < 1e6 ? `${short(count / 1_000)}k` : `${short(count / 1e6)}M`
}

export function timeText(nanoseconds: number): string {
  if (nanoseconds < 1_000) return `${Math.round(nanoseconds)} ns`
  if (nanoseconds < 1e6) return `${short(nanoseconds / 1_000)} µs`
  return nanoseconds < 1e9 ? `${short(nanoseconds / 1e6)} ms` : `${short(nanoseconds / 1e9)} s`
}

/** At most one decimal for numbers below 10, and none for others. */
function short(value: number): string {
  return value < 10 ? String(Number(value.toFixed(1))) : String(Math.round(value))
}
