"""Windows over series: the arrays they are cut from, scaling, splitting and cutting."""
