"""The command `upgrade`: may this project go from one TensorFlow to another, and back?"""
