"""HDF5 files as h5py 2.10 and 3.x write a Keras model's attributes: zlib-compressed, in base64.

Made with h5py in provided environments: attributes keras_version "2.10.0", backend, model_config and the number ratio,
and a dataset. The host has no h5py.
"""

from __future__ import annotations

OLD_H5PY = (
    "eNrtmc9Kw0AQxneTWkP9V8WDego5i6gUES+taDUHUVEPgkiNda2haaJJtYoIHvVNfBQfw6NH36BuNpMmWyoW8SA4vx42nZ39umwm"
    "X2D6bK5vjORmciRE00iG5EmaNpDX5e/x/AmMFMYnGF+UOD4o5qYgngd9XYX1sPBgr1wOs9tddDYCAhpB/iNmeXU3HA/lciCvipzX"
    "8M6YU2kxu3bRDFJ1Wfrh745DvXbX9TAx+bMS6o+SSV6VdeZbQeWG+YHtuTw+TYlYme/sQZOek2yqmKnQK4GeJvROrWqduWff6uRS"
    "Ooq0rxGhE51H1XPP7RrpY19LKT1V6C2DXlbo+VbT9sJz0YuQViKFIVJoq7IPRLwVkzvVGyo+SVZ83i8ZuL/Z/vzhcAb9Af0h8Yf4"
    "LfaelfNaXe8r85+f2+bazhZNHZjkT5zFuYX5ufnIWzp+w2kyN/D8c8drJV7R8Q/OvVF1rCCouFaDGSu6sc+urpnbtC3HmNWNyI94"
    "/N5wrDtumvzy6PjhIdnX5RjWNIIgCIIgCIIgCIL8FvvbO+tUdB0jHjNyH6C7D4f0JuyP0tTBUehoUhoF4v5JPKp8Ppz5qo86wKPh"
    "vKIoQkADPZUSPcqQ/6eZSPVx93y1Tsjtn6orcxprBEEQ5O/xUYSL0iefIn+5"
)

NEW_H5PY = (
    "eNrtmM1Kw0AQx3eTtoRqNYIH9RRyllKliHhpxFZzEBX1IIjU2G5raJpoUy1Setc38VF8DB/BN6ib7CbNBr8QDwXnd9ns7ObfYToz"
    "gXkyq7uF/EoeBSgKyiAVJRlzVE3cR+eXfMV8feTrsxTZc+HZErerXF+T2d7gL54e12rB7XGK2BEuoCDgP2LWto+C9UxMB/Qiife6"
    "XpM49QGx29d9P5GXxi9/d4HnazqvZ5HJ83sOLdKs7JCe5dfvSc+3PZfalzEK31RjHxShTnKJZMahnsGflVDvymp0iNv8Vief0JEE"
    "vwqhDotHw3Nbdhv9wK+NhJ4c6m3GdRzo9ay+7QVx0Sr8moHKM6g8lsU+wHitYISF+o/jmeHxzP2s/s9WoP6h/if1H32lXnLivUHq"
    "e2RC6L5kb+dwHycCKvQnynpxrVQssd4S9xtKn7i+12s53mDSK+L+QRnqDcfy/bprdYm+pekn5PaOuH3bcvRVTWf9iNqHumM90KZJ"
    "H88vRqOJXzfz8N8AAAAAAAAAAAAAwF9xcnBYxeHUkXGZEecA6Tkd8DEYZVnMcLRnE0+MmSGan0SrTM+Dk8/mqFlqDc4lSQoFFK4n"
    "Y6SxG2rKg8epzitzGXIEAABg+nir8AfjHT3ZfXI="
)

LATEST_LAYOUT = (
    "eNrtlb9Lw0AUx981NYTYai0VWnGoQXARrSKCHWyhRQsKBX9MRUqsp4bGRJNqlVJ3d2cHRycH/wv/Ayf/BBcVXOpdLqFB6uYivA8c"
    "d7nc+74fCfduKuW1uDqhSooCAT2fRFo85/z9ya+n3WqlvBWZ2nGkZnjMkEQCQI6Ic3n/vBoBAjCehGhfMyBWAJBgBFL8ZZM6ulu/"
    "oI5r2BZkmBFT8wbxhBTgyrJYevD92AqXUITEvt5oUuvgV2M1ZMyfY6vcOC6MT+wDatYbtnVoHP2qsBxSkLjCPJ9loeDoLcOGsWzB"
    "P1GEpWFY6knCmeCVpfzRqU17Jcz+LOFlJBmufYCooRzjsZB2MVCrwJ/x/Hl/Wy1VNgb7l9Pcc1xUqE2No+OW64qyQOZaevCSYaGR"
    "FEuVEBIEGMxSCsigsgyxvCRVYT6jBPz/LBGE9Aj/jve73gsgCIL8I9ZL1U0Sunz9q100W8bi3EJuLte/z1V/blHLtZ1D0273OyIE"
    "XZLR0Rqm7rp1Sz+hWj6rbdOzc2q1DN3UZrOaaLVsv6OZ+hXr+2xZ2+t2+3GdjuK3QRAEQRAEQRAEQZC/5a3gL4rfYLiQsg=="
)

WEIGHTS_ONLY = (
    "eNrtmM9OwkAQxmdaaJr6ryYexFOfgKDhwI0aqfZgxKgHbohSlYA0aYn4CPomPoKP4NFH8BF4A2y3U+j2oEQvGOd3me7M8rW7+YZN"
    "9tltHK4ZOwbE6DoUwIQsU8K05HFav6SIFJ8ovihpvihq25Q3Sd9Sk/GE8hdnjhPPnuaYfQgJ6MD8R1xn/zSOLdkO8KbI8+79rjdo"
    "j73e7d0ozPjS/uF7N8mveV+vgkv+XoetyJV9L+iE7QcvCHv+MMqXEMQvzdk36FKfaBkzo9Cz6VkXeled67437H6rY2R0FKFTo7om"
    "dILOqOfH67DqNM2G6gpUp6rctwkfdQSU+jVdf62QjFvaYv3qlrhfuV/n/ZqeKo+aPG+cOz/cX743PW9SQSQnI+KsR7JRjer4RX8U"
    "o2xcVxQFEz8neiqCJa8Mcifg3+DooHmMmWVI/08Re+XdSrky3y+D4sgbhn5wM/DHst7rBnufYRiGYRiGYRiGYZaN85NmA8WtY4JZ"
    "kO8B8vd+zGL7+M77xTAMwyw9kzo92J8dO2SB"
)
