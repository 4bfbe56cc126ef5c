"""Features of many videos: one function for one video, and the engines that call it again and again."""
