"""What a model costs before it is trained: arithmetic, memory, and the time that a device needs."""

from titans_seq.planning.counting import Arithmetic, Cost, count_training
