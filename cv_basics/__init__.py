"""Six lessons in image processing, written by hand and equal to OpenCV to the last bit.

Each lesson is a module: gray, color, mean_blur (with median_blur and noise beside it), gaussian_blur, canny, otsu.
Each algorithm is written twice: as loops over pixels (`..._loops`) and as array arithmetic (`..._numpy`).
"""
