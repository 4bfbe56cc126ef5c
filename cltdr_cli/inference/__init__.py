"""From a feature sequence to detections: pad, localize, decode, suppress, and back to seconds."""
